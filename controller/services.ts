/** The controller's API: which function answers which call. */
import type { Logger } from '../lib/log.ts'
import type { RpcServer } from '../lib/rpc-server.ts'
import {
  AgentLinkService,
  ClustersService,
  ControlPlaneService,
  EndpointsService,
  EnrolmentService,
  EventsService,
  IpamService,
  NetworksService,
  NodesService,
  SecurityService,
  type Service,
  type Session,
  TokensService,
} from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import type { AgentLinks } from './agent-links.ts'
import { answerBy } from './answer-by.ts'
import type { ClusterAuthority } from './authority/authority.ts'
import { refusals } from './authority/without.ts'
import { controlPlaneHandlers } from './control-plane/handlers.ts'
import { findEndpoint } from './endpoints/find.ts'
import { forwardAttach, forwardDetach } from './endpoints/forward.ts'
import { listEndpoints } from './endpoints/list.ts'
import type { ClusterEvents } from './events.ts'
import { checkIpam } from './ipam/check.ts'
import { addressHistory } from './ipam/history.ts'
import { releaseAddress } from './ipam/release.ts'
import { repairIpam } from './ipam/repair.ts'
import { showIpam } from './ipam/show.ts'
import { type CreateOptions, networkCreator } from './networks/create.ts'
import { getNetwork, listNetworks } from './networks/list.ts'
import { removeNetwork } from './networks/remove.ts'
import { networkUpdater } from './networks/update.ts'
import { drainNode, undrainNode } from './nodes/drain.ts'
import { getNode, listNodes } from './nodes/list.ts'
import { removeNode } from './nodes/remove.ts'
import { resyncNode } from './nodes/resync.ts'
import { verifyNode } from './nodes/verify.ts'
import type { RangeView } from './range-view.ts'
import { clusterStatus } from './status.ts'
import { waitApplied } from './wait-applied.ts'
import type { Warnings } from './warnings/warnings.ts'

export interface ServicesOptions extends CreateOptions {
  readonly store: Store
  readonly links: AgentLinks
  readonly sessions: RangeView<Session>
  readonly events: ClusterEvents
  readonly warnings: Warnings
  readonly clusterUid: string
  readonly controllerId: string
  /** Undefined where certificates are somebody else's to issue. */
  readonly authority: ClusterAuthority | undefined
  readonly log: Logger
}

export function addServices(server: RpcServer, options: ServicesOptions): void {
  const { store, links, events, warnings, authority } = options
  const withdraw = authority?.withdraw ?? (async () => {})
  const createNetwork = networkCreator(store, options)
  const updateNetwork = networkUpdater(store)
  server.add(NetworksService, {
    create: (request, context) => createNetwork(request, context.signal),
    list: (request) => listNetworks(store, request),
    get: (request) => getNetwork(store, warnings, request),
    update: (request, context) => updateNetwork(request, context.signal),
    remove: (request, context) => removeNetwork(store, links, request, answerBy(context)),
    waitApplied: (request, context) => waitApplied(options, request, answerBy(context)),
  })
  server.add(EndpointsService, {
    list: (request) => listEndpoints(store, request),
    get: ({ id }) => findEndpoint(store, id),
    attach: (request, context) => forwardAttach(store, links, request, answerBy(context), context.caller),
    detach: (request, context) => forwardDetach(store, links, request, answerBy(context), context.caller),
  })
  server.add(IpamService, {
    show: (request) => showIpam(store, request),
    check: (request, context) => checkIpam(options, request, answerBy(context)),
    repair: (request, context) => repairIpam(options, request, answerBy(context)),
    release: (request, context) => releaseAddress(options, request, answerBy(context)),
    history: (request) => addressHistory(store, request),
  })
  server.add(NodesService, {
    list: async () => ({ nodes: await listNodes(store) }),
    get: ({ name }) => getNode(store, name),
    remove: (request, context) => removeNode(store, request, { caller: context.caller, withdraw }),
    drain: (request, context) => drainNode(store, links, request, answerBy(context), context.caller),
    undrain: (request, context) => undrainNode(store, request, context.caller),
    verify: (request, context) => verifyNode(store, links, request, answerBy(context)),
    resync: (request, context) => resyncNode(store, links, request, answerBy(context), context.caller),
  })
  server.add(EventsService, { watch: (_, context) => events.watch(context.signal) })
  server.add(ClustersService, { getStatus: () => clusterStatus(options) })
  server.add(AgentLinkService, {
    connect: (messages, context) => links.connect(messages, context.signal, context.caller),
  })
  addAuthorityServices(server, authority, options)
}

function addAuthorityServices(
  server: RpcServer,
  authority: ClusterAuthority | undefined,
  { store, log }: ServicesOptions,
): void {
  if (!authority) {
    for (const service of [EnrolmentService, TokensService, SecurityService, ControlPlaneService])
      server.add<Service>(service, refusals(service))
    return
  }
  server.add(EnrolmentService, authority.enrolment)
  server.add(TokensService, authority.tokens)
  server.add(SecurityService, authority.security)
  server.add(ControlPlaneService, controlPlaneHandlers({ store, externalEtcd: authority.externalEtcd, log }))
}
