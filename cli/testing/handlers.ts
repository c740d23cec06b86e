/** For specs: what a controller and an agent answer where a spec says nothing else. */
import { OverlayError } from '../../lib/errors.ts'
import type { Handlers } from '../../lib/rpc-server.ts'
import {
  type AgentService,
  type EndpointsService,
  type EnrolmentService,
  Event,
  type IpamService,
  type NetworksService,
  type NodesService,
} from '../../proto/index.ts'
import { agentStatus, db, endpoint, host1, host2, web, webInFull } from './records.ts'

type NetworksHandlers = Handlers<typeof NetworksService>
type EndpointsHandlers = Handlers<typeof EndpointsService>
type IpamHandlers = Handlers<typeof IpamService>
type NodesHandlers = Handlers<typeof NodesService>
type EnrolmentHandlers = Handlers<typeof EnrolmentService>
type AgentHandlers = Handlers<typeof AgentService>

/** Pages of one network each, so that every list takes two. */
export const networks: NetworksHandlers = {
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
export const ipam: IpamHandlers = {
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

export const endpoints: EndpointsHandlers = {
  list: async ({ pageToken }) =>
    pageToken
      ? { endpoints: [{ ...endpoint, id: `4${endpoint.id.slice(1)}`, name: '' }], nextPageToken: '' }
      : { endpoints: [endpoint], nextPageToken: 'second' },
  get: async () => endpoint,
  attach: async () => ({ endpoint, alreadyAttached: false }),
  detach: async () => ({ endpoint, warning: '' }),
}

export const nodes: NodesHandlers = {
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

export const enrolment: EnrolmentHandlers = {
  join: async () => {
    throw new OverlayError('unauthenticated', 'the token is unknown, expired or used up')
  },
  renew: async () => ({ certificate: '', authorities: '', identity: null }),
  confirm: async () => ({}),
}

export const localAgent: AgentHandlers = {
  attach: async () => ({ endpoint, alreadyAttached: false }),
  detach: async () => ({ endpoint, warning: '' }),
  list: async () => ({ endpoints: [endpoint] }),
  getStatus: async () => agentStatus,
  verify: async () => ({ node: 'host1', revision: 42, held: '', deviations: [], objects: 12, more: 0, awaited: [] }),
  resync: async () => ({ node: 'host1', restored: [endpoint], discarded: [], left: [] }),
}

export async function* watchTwo(): AsyncGenerator<Event> {
  yield Event.create({ time: '2026-03-02T10:00:00.000Z', action: 'CREATED', network: web })
  yield Event.create({ time: '2026-03-02T10:00:01.000Z', action: 'LOST', node: host2 })
}
