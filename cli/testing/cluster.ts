/** For specs: a controller and an agent that answer real gRPC with canned data. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../lib/log.ts'
import { type CallContext, createRpcServer, type Handlers } from '../../lib/rpc-server.ts'
import { serverCredentials } from '../../lib/tls.ts'
import {
  AgentService,
  AgentStatus,
  ClusterStatus,
  ClustersService,
  Endpoint,
  EndpointsService,
  Event,
  EventsService,
  IpamService,
  Network,
  NetworksService,
  Node,
  NodesService,
} from '../../proto/index.ts'

type NetworksHandlers = Handlers<typeof NetworksService>
type EndpointsHandlers = Handlers<typeof EndpointsService>
type IpamHandlers = Handlers<typeof IpamService>
type NodesHandlers = Handlers<typeof NodesService>
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

/** The time of all canned data is one day before this. */
export const now = new Date('2026-03-02T10:00:00Z')
const createdAt = '2026-03-01T10:00:00Z'

export const web = Network.create({
  name: 'web',
  uid: '7d1c6a5e000040008000000000000001',
  vni: 1048576,
  subnets: [
    { cidr: '10.0.9.0/24', gateway: '10.0.9.1' },
    { cidr: 'fd00:9::/64', gateway: 'fd00:9::1' },
  ],
  mtu: 1450,
  labels: { team: 'shop', 'a.b': 'c' },
  state: 'READY',
  createdAt,
  status: { endpointCount: 1, nodes: ['host1'] },
})

export const db = Network.create({
  name: 'db',
  uid: '2b8e0f11000040008000000000000002',
  vni: 1048577,
  subnets: [{ cidr: '10.0.10.0/24', gateway: '10.0.10.1' }],
  mtu: 1450,
  state: 'READY',
  createdAt: '2026-03-02T09:56:40Z',
  status: { endpointCount: 0, nodes: [] },
})

export const endpoint = Endpoint.create({
  id: '3f2a9c0d1e2f30415263748596a7b8c9',
  network: 'web',
  networkUid: web.uid,
  name: 'client',
  node: 'host1',
  mac: '02:11:22:33:44:55',
  addresses: ['10.0.9.7', 'fd00:9::7'],
  ifname: 'eth0',
  sandbox: { kind: 'NAMESPACE', bootId: 'b0', cookie: '4711', path: '/run/netns/c1' },
  createdAt,
})

/** As Get answers. */
export const webInFull = Network.create({
  ...web,
  status: {
    endpointCount: 1,
    nodes: ['host1'],
    endpoints: [endpoint],
    usage: [
      {
        cidr: '10.0.9.0/24',
        used: 1,
        reserved: 1,
        quarantined: 2,
        free: '250',
        freeInRange: '250',
        percentUsed: 0.8,
      },
      {
        cidr: 'fd00:9::/64',
        used: 1,
        reserved: 1,
        quarantined: 0,
        free: '18446744073709551613',
        freeInRange: '18446744073709551613',
        percentUsed: 0,
      },
    ],
  },
})

export const host1 = Node.create({
  name: 'host1',
  uid: 'n1',
  vtepAddress: '192.0.2.1',
  underlayMtu: 1500,
  version: '0.1.0',
  bootId: 'b0',
  machineId: 'm1',
  registeredAt: createdAt,
  status: { live: true, state: 'READY', endpointCount: 1, sessionSince: createdAt },
})

export const host2 = Node.create({
  ...host1,
  name: 'host2',
  uid: 'n2',
  vtepAddress: '192.0.2.2',
  status: { state: 'UNREACHABLE', endpointCount: 2, drain: { node: 'host2', since: createdAt, reason: 'new disk' } },
})

export const clusterStatus = ClusterStatus.create({
  clusterUid: 'c0ffee',
  controllerId: 'ctl1',
  store: { healthy: true, urls: ['http://127.0.0.1:2379'], revision: 42, latencyMs: 1.26 },
  controllers: [{ id: 'ctl1', address: '127.0.0.1:4780', version: '0.1.0', startedAt: createdAt }],
  janitor: 'ctl1',
  nodes: [host1, host2],
  networkCount: 2,
  endpointCount: 1,
})

export const agentStatus = AgentStatus.create({
  state: 'READY',
  node: host1,
  clusterUid: 'c0ffee',
  revision: 42,
  networks: ['web'],
  localEndpointCount: 1,
  remoteEndpointCount: 3,
})

const silent = createLogger('spec', 'silent')

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
  const controller = createRpcServer(silent)
  controller.add(NetworksService, recorded('networks', { ...networks, ...answers.networks }))
  controller.add(EndpointsService, recorded('endpoints', { ...endpoints, ...answers.endpoints }))
  controller.add(IpamService, recorded('ipam', { ...ipam, ...answers.ipam }))
  controller.add(NodesService, recorded('nodes', { ...nodes, ...answers.nodes }))
  controller.add(ClustersService, answers.clusters ?? { getStatus: async () => clusterStatus })
  controller.add(EventsService, answers.events ?? { watch: watchTwo })
  const agent = createRpcServer(silent)
  agent.add(AgentService, recorded('agent', { ...localAgent, ...answers.agent }))
  const directory = mkdtempSync(join(tmpdir(), 'overlayctl-'))
  const socket = join(directory, 'agent.sock')
  const port = await controller.listen('127.0.0.1:0', serverCredentials(undefined))
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

/** Pages of one network each, so that every list takes two. */
const networks: NetworksHandlers = {
  create: async ({ name, dryRun }) => ({
    network: { ...web, name: name || 'made-up', status: null },
    revision: dryRun ? 0 : 42,
  }),
  list: async ({ pageToken, filters }) =>
    pageToken
      ? { networks: filters.includes('dangling=true') ? [] : [web], nextPageToken: '' }
      : { networks: [db], nextPageToken: 'second' },
  get: async ({ name }) => ({ ...webInFull, name }),
  update: async ({ name, labels }) => ({
    network: { ...web, name, labels, status: null },
    revision: 43,
    changed: true,
  }),
  remove: async ({ name, force }) => ({
    network: { ...web, name: name === db.uid ? db.name : name, status: null },
    detachedEndpoints: force ? 1 : 0,
  }),
  waitApplied: async () => ({ nodes: ['host1'] }),
}

/** An address space in which all is well. */
const ipam: IpamHandlers = {
  show: async () => ({ network: web, subnets: [] }),
  check: async () => ({
    findings: [],
    networksChecked: 2,
    addressesChecked: 5,
    nodesChecked: ['host1'],
    nodesMissed: ['host2: not alive'],
  }),
  repair: async ({ findings }) => ({ outcomes: findings.map(() => ({ state: 'REPAIRED', problem: '' })) }),
  release: async () => ({ was: 'in quarantine until 2026-03-02T10:01:00Z' }),
  history: async () => ({ tenures: [] }),
}

const endpoints: EndpointsHandlers = {
  list: async ({ pageToken }) =>
    pageToken
      ? { endpoints: [{ ...endpoint, id: `4${endpoint.id.slice(1)}`, name: '' }], nextPageToken: '' }
      : { endpoints: [endpoint], nextPageToken: 'second' },
  get: async () => endpoint,
  attach: async () => ({ endpoint, alreadyAttached: false }),
  detach: async () => ({ endpoint, warning: '' }),
}

const nodes: NodesHandlers = {
  list: async () => ({ nodes: [host1, host2] }),
  get: async ({ name }) => ({ ...host1, name }),
  remove: async ({ name }) => ({ node: { ...host2, name }, releasedEndpoints: 2 }),
  drain: async ({ name }) => ({ node: { ...host1, name }, detachedEndpoints: 2 }),
  undrain: async ({ name }) => ({ ...host1, name }),
  verify: async ({ name }) => ({
    node: name,
    revision: 42,
    held: '',
    deviations: [],
    objects: 12,
    more: 0,
    awaited: [],
  }),
  resync: async ({ name }) => ({ node: name, restored: [endpoint], discarded: [], left: [] }),
}

const localAgent: AgentHandlers = {
  attach: async () => ({ endpoint, alreadyAttached: false }),
  detach: async () => ({ endpoint, warning: '' }),
  list: async () => ({ endpoints: [endpoint] }),
  getStatus: async () => agentStatus,
  verify: async () => ({ node: 'host1', revision: 42, held: '', deviations: [], objects: 12, more: 0, awaited: [] }),
  resync: async () => ({ node: 'host1', restored: [endpoint], discarded: [], left: [] }),
}

async function* watchTwo(): AsyncGenerator<Event> {
  yield Event.create({ time: '2026-03-02T10:00:00.000Z', action: 'CREATED', network: web })
  yield Event.create({ time: '2026-03-02T10:00:01.000Z', action: 'LOST', node: host2 })
}
