/** For specs: what a cluster of two nodes and two networks has. */
import { AgentStatus, ClusterStatus, Endpoint, Network, Node } from '../../proto/index.ts'

/** The time of all canned data is one day before this. */
export const now = new Date('2026-03-02T10:00:00Z')
export const createdAt = '2026-03-01T10:00:00Z'

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
