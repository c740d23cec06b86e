/** Whom the clients of a run talk to: the agents' sockets, and the controllers through doors. */
import { credentials } from '@grpc/grpc-js'
import { createRpcClient, type RpcClient } from '../../lib/rpc-client.ts'
import { AgentService, type Endpoint, EndpointsService, NetworksService, NodesService } from '../../proto/index.ts'
import type { Lab } from '../lab/lab.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import type { Action, Outcome, Slot } from './operations.ts'
import { failedOutcome } from './outcomes.ts'

/** So long a client waits for an answer, in milliseconds. */
const timeout = 10_000

export interface Peers {
  /** Does it, and says what came of it; never throws. */
  perform(action: Action): Promise<Outcome>
  /** A connection to a controller by its name, or to the agent of a host. */
  client(name: string): RpcClient
  /** The same on a connection of its own: one that was refused waits before it dials again. */
  ask<T>(name: string, question: (client: RpcClient) => Promise<T>): Promise<T>
  /** Makes the slots' sandboxes. */
  appear(slots: readonly Slot[]): Promise<void>
  close(): void
}

/** `doors`: what a gRPC client dials for each controller. */
export function createPeers(lab: Lab, doors: ReadonlyMap<string, string>): Peers {
  const clients = new Map<string, RpcClient>()
  const sandboxes = new Map<string, Sandbox>()
  const targets = new Map([...doors, ...lab.hosts.map(({ name, agent }) => [name, `unix:${agent.socket}`] as const)])
  const connect = (name: string) => {
    const address = targets.get(name)
    if (address === undefined) throw new Error(`there is no ${name}`)
    return createRpcClient({ address, credentials: credentials.createInsecure(), timeout })
  }
  const client = (name: string) => {
    const known = clients.get(name) ?? connect(name)
    clients.set(name, known)
    return known
  }
  const appear = async (slots: readonly Slot[]) => {
    const made = await lab.sandboxes(slots.map(({ name }) => name))
    for (const sandbox of made) sandboxes.set(sandbox.name, sandbox)
  }
  const vanish = async ({ name }: Slot) => {
    await sandboxes.get(name)?.delete()
    sandboxes.delete(name)
  }
  return {
    client,
    async ask(name, question) {
      const own = connect(name)
      try {
        return await question(own)
      } finally {
        own.close()
      }
    },
    appear,
    async perform(action) {
      try {
        switch (action.do) {
          case 'vanish':
            await vanish(action.slot)
            return { is: 'done' }
          case 'appear':
            await appear([action.slot])
            return { is: 'done' }
          case 'attach':
          case 'detach':
            return await performOnEndpoint(client, action)
          case 'create':
          case 'grow':
          case 'rm':
            return await performOnNetwork(client(action.via), action)
          case 'drain':
          case 'undrain':
          case 'forget':
            return await performOnNode(client(action.via), action)
        }
      } catch (error) {
        return failedOutcome(action, error)
      }
    },
    close() {
      for (const each of clients.values()) each.close()
    },
  }
}

type On<K extends Action['do']> = Extract<Action, { readonly do: K }>

async function performOnEndpoint(client: Peers['client'], action: On<'attach' | 'detach'>): Promise<Outcome> {
  const { via, network, slot } = action
  const isOfAgent = via === 'agent'
  const endpoints = isOfAgent ? client(slot.host).service(AgentService) : client(via).service(EndpointsService)
  const node = isOfAgent ? '' : slot.host
  if (action.do === 'attach') {
    const { name, addresses } = action
    const { endpoint, alreadyAttached } = await endpoints.attach({ network, netns: slot.path, node, name, addresses })
    return { is: 'done', endpoint: known(endpoint), isAlreadyAttached: alreadyAttached }
  }
  const { endpointId } = action
  const which = endpointId === undefined ? { network, netns: slot.path } : { endpointId }
  const { endpoint, warning } = await endpoints.detach({ ...which, node })
  return { is: 'done', endpoint: known(endpoint), warning }
}

function known(endpoint: Endpoint | null): Endpoint {
  if (endpoint) return endpoint
  throw new Error('an answer without an endpoint')
}

async function performOnNetwork(client: RpcClient, action: On<'create' | 'grow' | 'rm'>): Promise<Outcome> {
  const networks = client.service(NetworksService)
  const { network: name } = action
  if (action.do === 'rm') {
    const { network } = await networks.remove({ name, force: action.force })
    return { is: 'done', network: network ?? undefined }
  }
  const subnets = [{ cidr: action.cidr }]
  const { network } =
    action.do === 'create' ? await networks.create({ name, subnets }) : await networks.update({ name, subnets })
  return { is: 'done', network: network ?? undefined }
}

async function performOnNode(client: RpcClient, action: On<'drain' | 'undrain' | 'forget'>): Promise<Outcome> {
  const nodes = client.service(NodesService)
  const { node: name } = action
  if (action.do === 'drain') await nodes.drain({ name, reason: 'chaos', keepEndpoints: action.keep })
  else if (action.do === 'undrain') await nodes.undrain({ name })
  else await nodes.remove({ name, force: true })
  return { is: 'done' }
}
