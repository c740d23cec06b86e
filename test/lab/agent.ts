/** An agent in the lab, and its API on its unix socket. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { createRpcClient, type RpcClient } from '../../lib/rpc-client.ts'
import { AgentService, type AgentStatus } from '../../proto/index.ts'
import { flags } from './controller.ts'
import { createDaemon, type Daemon } from './daemon.ts'
import type { Netns } from './netns.ts'
import { program } from './program-path.ts'

export interface AgentSpec {
  readonly netns: Netns
  /** The lab's directory. */
  readonly directory: string
  /** The host's, with state directory, socket and log. */
  readonly home: string
  readonly vtep: string
  readonly etcd: string
}

export interface LabAgent extends Daemon {
  /** The node's name. */
  readonly node: string
  readonly socket: string
  readonly stateDirectory: string
  /** A client of its API; close it. */
  connect(): RpcClient
  status(): Promise<AgentStatus>
}

/** It is ready when its state is READY: registered, and in sync with the store. */
export function createAgent({ netns, directory, home, vtep, etcd }: AgentSpec): LabAgent {
  const node = netns.name
  const socket = join(home, 'run', 'agent.sock')
  const stateDirectory = join(home, 'state')
  const connect = () =>
    createRpcClient({ address: `unix:${socket}`, credentials: credentials.createInsecure(), timeout: 5_000 })
  // A new client for each question: one that was refused waits before it dials again.
  const status = async () => {
    const client = connect()
    try {
      return await client.service(AgentService).getStatus({})
    } finally {
      client.close()
    }
  }
  const own = flags({ etcd, node, 'vtep-address': vtep, socket, 'state-dir': stateDirectory })
  const daemon = createDaemon({
    name: `agent on ${node}`,
    netns,
    directory,
    log: join(home, 'agent.log'),
    command: () => [process.execPath, program('overlay-agent.cjs'), ...own],
    ready: async () => {
      if (!existsSync(socket)) return false
      const { state, reason } = await status()
      if (state !== 'READY') throw new Error(`its state is ${state}${reason && `: ${reason}`}`)
      return true
    },
  })
  return Object.assign(daemon, { node, socket, stateDirectory, connect, status })
}
