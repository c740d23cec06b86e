/** The agent's API on its unix socket. */
import { lstatSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { ServerCredentials } from '@grpc/grpc-js'
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { createRpcServer, type RpcServer } from '../lib/rpc-server.ts'
import {
  AgentService,
  type AgentStatus,
  type DetachRequest,
  type DetachResponse,
  ListLocalEndpointsResponse,
  type ResyncRequest,
  type ResyncResponse,
} from '../proto/index.ts'
import { attach } from './endpoint/attach.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { bindRestricted, prepareDirectory } from './socket-access.ts'
import { verify } from './verify.ts'
import { endpointRecord } from './view/records.ts'

export interface ApiOptions {
  readonly socket: string
  /** The group that may talk to it too (see socket-access.ts). */
  readonly group?: number | undefined
  readonly log: Logger
  /** @throws OverlayError `unavailable` while the agent is not in sync yet. */
  readonly parts: () => EndpointParts
  readonly status: () => AgentStatus
  readonly detach: (request: DetachRequest, caller: AbortSignal) => Promise<DetachResponse>
  readonly resync: (request: ResyncRequest, caller: AbortSignal) => Promise<ResyncResponse>
}

/** More than may wait for their turns, so that the agent still tells how it is. */
const mostCalls = { unary: 1_500, 'server-stream': 100, duplex: 100 }

/**
 * Serves until closed. The socket's directory is made with mode 0700 and the
 * socket with 0600, or with 0750 and 0660 for a group: whoever may talk to it has
 * the host's network in his hand.
 * @throws OverlayError `failed_precondition` when another agent serves there, or
 * something else than a socket is there.
 */
export async function serveApi({ socket, group, log, ...agent }: ApiOptions): Promise<RpcServer> {
  const { parts, status, detach, resync } = agent
  const server = createRpcServer(log, { name: 'this agent', mostCalls })
  server.add(AgentService, {
    attach: (request, { signal }) => attach(parts(), request, signal),
    detach: (request, { signal }) => detach(request, signal),
    list: async () => {
      const { view } = parts()
      const endpoints = Array.from(view.localEndpoints(), (endpoint) => {
        return endpointRecord(endpoint, view.network(endpoint.network))
      })
      return ListLocalEndpointsResponse.create({ endpoints })
    },
    getStatus: async () => status(),
    verify: () => verify(parts()),
    resync: (request, { signal }) => resync(request, signal),
  })
  prepareDirectory(dirname(socket), group)
  await removeStale(socket)
  await bindRestricted(socket, group, () => server.listen(`unix:${socket}`, ServerCredentials.createInsecure()))
  return server
}

/** A socket that nobody listens on is left of an agent that was killed. */
async function removeStale(socket: string): Promise<void> {
  const found = lstatSync(socket, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket())
    throw new OverlayError(
      'failed_precondition',
      `${socket} is there, and is not a socket: remove it, or give --socket another path`,
    )
  const isServed = await new Promise<boolean>((resolve) => {
    const probe = connect(socket, () => resolve(true)).on('error', () => resolve(false))
    probe.on('close', () => resolve(false)).on('connect', () => probe.end())
  })
  if (isServed)
    throw new OverlayError('failed_precondition', `another agent serves on ${socket}: stop it, or give --socket`)
  rmSync(socket, { force: true })
}
