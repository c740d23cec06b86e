/** The one table of who may call what. */
import type { Role } from '../../lib/pki/identity.ts'
import {
  AgentLinkService,
  ClustersService,
  ControlPlaneService,
  EndpointsService,
  EnrolmentService,
  EventsService,
  IpamService,
  type Method,
  type MethodKind,
  NetworksService,
  NodesService,
  SecurityService,
  type Service,
  TokensService,
} from '../../proto/index.ts'

export interface Rule<I = never> {
  /** What the method does, to say what is refused: `create networks`. */
  readonly does: string
  /** Who may. Controllers may everything. */
  readonly roles: readonly Role[]
  /** So may who shows no certificate: another credential is in the request. */
  readonly strangers?: boolean
  /** The node that a request is about, by its exact name: a node may do it to itself, whatever `roles` says. */
  readonly ownNode?: (request: I) => string
}

/** One rule for each method: what has none does not compile. */
type Rules<S extends Service> = {
  readonly [K in keyof S['methods']]: Rule<
    S['methods'][K] extends Method<infer I, infer _O, infer _K extends MethodKind> ? I : never
  >
}

const anybody = ['node', 'viewer', 'admin'] as const
/** For everybody with a certificate of the cluster. */
const reads = (does: string): Rule<unknown> => ({ does, roles: anybody })
const admin = (does: string): Rule<unknown> => ({ does, roles: ['admin'] })
const controller = (does: string): Rule<unknown> => ({ does, roles: [] })
/** For admins, and for the node that it is about. */
function own<I>(does: string, ownNode: (request: I) => string): Rule<I> {
  return { does, roles: ['admin'], ownNode }
}

const networks: Rules<typeof NetworksService> = {
  create: admin('create networks'),
  list: reads('list networks'),
  get: reads('read networks'),
  update: admin('change networks'),
  remove: admin('remove networks'),
  waitApplied: reads('wait for networks'),
}

const endpoints: Rules<typeof EndpointsService> = {
  list: reads('list endpoints'),
  get: reads('read endpoints'),
  attach: own('attach endpoints', ({ node }) => node),
  // Whose an endpoint is that is named without its node, nobody has looked up yet: a node says that it is its own,
  // and is refused afterwards if that is not so.
  detach: own('detach endpoints', ({ node }) => node),
}

const ipam: Rules<typeof IpamService> = {
  show: reads('read addresses'),
  check: reads('check addresses'),
  repair: admin('repair addresses'),
  release: admin('release addresses'),
  history: reads('read addresses'),
}

const nodes: Rules<typeof NodesService> = {
  list: reads('list nodes'),
  get: reads('read nodes'),
  remove: own('remove nodes', ({ name }) => name),
  drain: own('drain nodes', ({ name }) => name),
  undrain: own('take nodes back into use', ({ name }) => name),
  verify: reads('verify nodes'),
  resync: own('resync nodes', ({ name }) => name),
}

const enrolment: Rules<typeof EnrolmentService> = {
  join: { does: 'join', roles: anybody, strangers: true },
  // Of both the subject is the caller itself.
  renew: reads('renew certificates'),
  confirm: reads('confirm authorities'),
}

const tokens: Rules<typeof TokensService> = {
  create: admin('create tokens'),
  list: admin('list tokens'),
  remove: admin('remove tokens'),
}

const security: Rules<typeof SecurityService> = {
  get: reads('read who has certificates'),
  rotateAuthority: admin('rotate authorities'),
  revoke: admin('revoke certificates'),
}

const controlPlane: Rules<typeof ControlPlaneService> = {
  addMember: controller('add hosts to the control plane'),
  promoteMember: controller('add hosts to the control plane'),
  removeMember: admin('remove hosts from the control plane'),
  snapshot: admin('take snapshots'),
}

/** By HTTP/2 path. */
export const rules: ReadonlyMap<string, Rule> = new Map([
  ...rulesOf(NetworksService, networks),
  ...rulesOf(EndpointsService, endpoints),
  ...rulesOf(IpamService, ipam),
  ...rulesOf(NodesService, nodes),
  ...rulesOf(EventsService, { watch: reads('watch events') }),
  ...rulesOf(ClustersService, { getStatus: reads('read the status') }),
  // Which node may open it as whom is seen in its first message.
  ...rulesOf(AgentLinkService, { connect: { does: "open an agent's stream", roles: ['node'] } }),
  ...rulesOf(EnrolmentService, enrolment),
  ...rulesOf(TokensService, tokens),
  ...rulesOf(SecurityService, security),
  ...rulesOf(ControlPlaneService, controlPlane),
  ...['Check', 'List', 'Watch'].map((name) => [`/grpc.health.v1.Health/${name}`, reads('read the health')] as const),
  ...['v1', 'v1alpha'].map(
    (version) =>
      [`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, reads('read what is served')] as const,
  ),
])

function rulesOf<S extends Service>({ methods }: S, of: Rules<S>): (readonly [string, Rule])[] {
  const named: Readonly<Record<string, Rule>> = of
  return Object.entries(methods).flatMap(([name, { path }]) => {
    const rule = named[name]
    return rule ? [[path, rule] as const] : []
  })
}
