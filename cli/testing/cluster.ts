/** For specs: a controller and an agent that answer real gRPC with canned data. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../lib/log.ts'
import type { Access } from '../../lib/rpc-access.ts'
import { type CallContext, createRpcServer, type Handlers } from '../../lib/rpc-server.ts'
import { serverCredentials, type Tls } from '../../lib/tls.ts'
import {
  AgentService,
  ClustersService,
  ControlPlaneService,
  EndpointsService,
  EnrolmentService,
  EventsService,
  IpamService,
  NetworksService,
  NodesService,
  SecurityService,
  TokensService,
} from '../../proto/index.ts'
import { endpoints, enrolment, ipam, localAgent, networks, nodes, watchTwo } from './handlers.ts'
import { clusterStatus } from './records.ts'
import { cannedControlPlane as controlPlane, cannedSecurity as security, cannedTokens as tokens } from './security.ts'

type NetworksHandlers = Handlers<typeof NetworksService>
type EndpointsHandlers = Handlers<typeof EndpointsService>
type IpamHandlers = Handlers<typeof IpamService>
type NodesHandlers = Handlers<typeof NodesService>
type EnrolmentHandlers = Handlers<typeof EnrolmentService>
type TokensHandlers = Handlers<typeof TokensService>
type SecurityHandlers = Handlers<typeof SecurityService>
type ControlPlaneHandlers = Handlers<typeof ControlPlaneService>
type AgentHandlers = Handlers<typeof AgentService>

/** What a spec wants answered otherwise. */
export interface Answers {
  readonly networks?: Partial<NetworksHandlers>
  readonly endpoints?: Partial<EndpointsHandlers>
  readonly ipam?: Partial<IpamHandlers>
  readonly nodes?: Partial<NodesHandlers>
  readonly agent?: Partial<AgentHandlers>
  readonly clusters?: Handlers<typeof ClustersService>
  readonly events?: Handlers<typeof EventsService>
  readonly enrolment?: Partial<EnrolmentHandlers>
  readonly tokens?: Partial<TokensHandlers>
  readonly security?: Partial<SecurityHandlers>
  readonly controlPlane?: Partial<ControlPlaneHandlers>
  /** Who may call the controller; default: everybody. */
  readonly access?: Access
  /** The controller serves with it; default: in clear. */
  readonly tls?: Tls
}

export interface FakeCluster {
  /** HOST:PORT of the controller. */
  readonly controller: string
  /** Path of the agent's socket. */
  readonly agent: string
  /** What was asked, in order: `Networks.Create` and the request. */
  readonly calls: { readonly method: string; readonly request: unknown }[]
  close(): Promise<void>
}

const silent = createLogger('spec', 'silent')
const mostCalls = { unary: 1_000, 'server-stream': 1_000, duplex: 1_000 }

/** Starts both on a free loopback port and in a directory of their own. */
export async function startFakeCluster(answers: Answers = {}): Promise<FakeCluster> {
  const calls: { method: string; request: unknown }[] = []
  const recorded = <H extends object>(service: string, handlers: H): H =>
    Object.fromEntries(
      Object.entries(handlers).map(([name, handler]) => [
        name,
        (request: unknown, context: CallContext) => {
          calls.push({ method: `${service}.${name}`, request })
          return (handler as (request: unknown, context: CallContext) => unknown)(request, context)
        },
      ]),
    ) as H
  const controller = createRpcServer(silent, { name: 'this controller', mostCalls, access: answers.access })
  controller.add(NetworksService, recorded('networks', { ...networks, ...answers.networks }))
  controller.add(EndpointsService, recorded('endpoints', { ...endpoints, ...answers.endpoints }))
  controller.add(IpamService, recorded('ipam', { ...ipam, ...answers.ipam }))
  controller.add(NodesService, recorded('nodes', { ...nodes, ...answers.nodes }))
  controller.add(ClustersService, answers.clusters ?? { getStatus: async () => clusterStatus })
  controller.add(EnrolmentService, recorded('enrolment', { ...enrolment, ...answers.enrolment }))
  controller.add(TokensService, recorded('tokens', { ...tokens, ...answers.tokens }))
  controller.add(SecurityService, recorded('security', { ...security, ...answers.security }))
  controller.add(ControlPlaneService, recorded('controlPlane', { ...controlPlane, ...answers.controlPlane }))
  controller.add(EventsService, answers.events ?? { watch: watchTwo })
  const agent = createRpcServer(silent)
  agent.add(AgentService, recorded('agent', { ...localAgent, ...answers.agent }))
  const directory = mkdtempSync(join(tmpdir(), 'overlayctl-'))
  const socket = join(directory, 'agent.sock')
  const port = await controller.listen('127.0.0.1:0', serverCredentials(answers.tls))
  await agent.listen(`unix:${socket}`, serverCredentials(undefined))
  return {
    controller: `127.0.0.1:${port}`,
    agent: socket,
    calls,
    async close() {
      await Promise.all([controller.close(0), agent.close(0)])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
