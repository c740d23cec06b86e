/** The cluster as the worker sees it: what is in it, whether it is consistent, and back to where it began. */
import { readFileSync } from 'node:fs'
import { credentials } from '@grpc/grpc-js'
import { createLogger } from '../../lib/log.ts'
import { createRpcClient, type RpcClient } from '../../lib/rpc-client.ts'
import { AgentService, IpamService, type Network, NetworksService, NodesService } from '../../proto/index.ts'
import { connect } from '../../store/connect.ts'
import type { Store } from '../../store/store.ts'
import { until } from '../lab/until.ts'
import type { Surroundings } from './words.ts'

export interface Daemon {
  readonly name: string
  readonly pid: number
  readonly log: string
}

/** What the worker is told of the lab. */
export interface LabFacts {
  readonly etcd: string
  /** HOST:PORT. */
  readonly controller: string
  readonly agents: readonly { readonly node: string; readonly socket: string }[]
  readonly daemons: readonly Daemon[]
  /** Paths of sandboxes to plug into. */
  readonly targets: readonly string[]
  readonly canary: { readonly network: string; readonly ids: readonly string[] }
}

export interface Cluster extends AsyncDisposable {
  readonly facts: LabFacts
  readonly store: Store
  readonly controller: RpcClient
  /** The agents', by node. */
  readonly agents: readonly { readonly node: string; readonly client: RpcClient }[]
  readonly surroundings: Surroundings
  /** Uids of the nodes, and their names. */
  readonly nodes: readonly string[]
  /** Every key that says what the cluster is, with its revision; not what comes and goes by itself. */
  content(): Promise<string>
  /**
   * Removes all networks but the canary, and makes those anew that requests may
   * name, with an endpoint of the same name in each.
   */
  reset(): Promise<void>
  /** What is wrong with records, links and agents; waits for work in progress. Empty: nothing. */
  faults(): Promise<string>
}

const base = {
  'fuzz-a': [{ cidr: '10.77.0.0/16' }, { cidr: 'fd00:77::/64' }],
  'fuzz-b': [{ cidr: '10.78.1.0/24' }],
}

/** Lease-bound, or reported by agents whenever a host changes; and the journal, which is trimmed. */
const volatile = /^(sessions|leaders|controllers|hostroutes|released|history)\//

export async function openCluster(facts: LabFacts): Promise<Cluster> {
  const store = connect({ urls: [facts.etcd], log: createLogger('fuzz', 'silent') })
  const insecure = credentials.createInsecure()
  const controller = createRpcClient({ address: facts.controller, credentials: insecure, timeout: 60_000 })
  const agents = facts.agents.map(({ node, socket }) => ({
    node,
    client: createRpcClient({ address: `unix:${socket}`, credentials: insecure, timeout: 20_000 }),
  }))
  const networks = controller.service(NetworksService)
  const allNetworks = async () => {
    const found: Network[] = []
    for (let pageToken = ''; ; ) {
      const page = await networks.list({ pageToken })
      found.push(...page.networks)
      pageToken = page.nextPageToken
      if (!pageToken) return found
    }
  }
  const { nodes } = await controller.service(NodesService).list({})
  let seen = { revision: 0, content: '' }
  return {
    facts,
    store,
    controller,
    agents,
    nodes: nodes.flatMap(({ name, uid }) => [name, uid]),
    surroundings: {
      networks: Object.keys(base),
      nodes: nodes.map(({ name }) => name),
      sandboxes: facts.targets,
      addresses: ['10.77.0.9', '10.78.1.9', 'fd00:77::9'],
    },
    async content() {
      const { revision } = await store.probe()
      if (revision !== seen.revision) {
        const { entries } = await store.list({ prefix: store.keys.prefix, type: null })
        const lines = entries.map(({ path, modRevision }) => ({
          path: path.slice(store.keys.prefix.length),
          modRevision,
        }))
        const kept = lines.filter(({ path }) => !volatile.test(path))
        seen = { revision, content: kept.map(({ path, modRevision }) => `${path} ${modRevision}`).join('\n') }
      }
      return seen.content
    },
    async reset() {
      for (const { name } of await allNetworks())
        if (name !== facts.canary.network) await networks.remove({ name, force: true })
      for (const [at, [name, subnets]] of Object.entries(base).entries()) {
        await networks.create({ name, subnets, mtu: 1_400 })
        const agent = agents[at]?.client.service(AgentService)
        await agent?.attach({ network: name, name, netns: facts.targets[at] ?? '' })
      }
    },
    async faults() {
      let found = ''
      const look = async () => {
        found = await faultsNow(controller, agents)
        return found === ''
      }
      await until(look, { what: 'the cluster to be consistent', deadline: 20_000, every: 250 }).catch(
        (error: Error) => {
          found ||= error.message
        },
      )
      return found
    },
    async [Symbol.asyncDispose]() {
      controller.close()
      for (const { client } of agents) client.close()
      await store.close()
    },
  }
}

async function faultsNow(controller: RpcClient, agents: Cluster['agents']): Promise<string> {
  const { findings, nodesMissed } = await controller.service(IpamService).check({})
  const states = await Promise.all(
    agents.map(async ({ node, client }) => ({ ...(await client.service(AgentService).getStatus({})), node })),
  )
  const unwell = states.flatMap(({ node, state, reason, problems, openIntents }) => [
    ...(state === 'READY' ? [] : [`${node} is ${state}: ${reason}`]),
    ...problems.map((each) => `${node}: ${each}`),
    ...(openIntents === 0 ? [] : [`${node}: ${openIntents} open intents`]),
  ])
  return [...findings.map((finding) => finding.problem), ...nodesMissed, ...unwell].join('; ')
}

/** Lines that each daemon has logged so far. */
export function loggedLines(daemons: readonly Daemon[]): ReadonlyMap<string, number> {
  return new Map(daemons.map(({ name, log }) => [name, readFileSync(log, 'utf8').split('\n').length]))
}
