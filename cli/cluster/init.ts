/** Makes a cluster, with this host as its first. */
import { OverlayError } from '../../lib/errors.ts'
import { paths } from '../../lib/paths.ts'
import { type CreateTokenResponse, TokensService } from '../../proto/index.ts'
import type { Peer } from '../connect.ts'
import type { Context } from '../context.ts'
import { chooseAdvertised } from './advertised.ts'
import { becomeNode } from './become-node.ts'
import { adminConfig } from './configs.ts'
import {
  type ControlPlaneIdentity,
  etcdAccess,
  startController,
  startEtcd,
  writeController,
  writeEtcd,
} from './control-plane.ts'
import { dial } from './dial.ts'
import { enter, findDoor } from './enrol.ts'
import { type ForeignFiles, type ForeignOptions, foreignEtcdOf, parseUrls, readForeignFiles } from './foreign-etcd.ts'
import { makeAdminDirectory, removeAll, writeConfig, writeControllerSecret, writeIdentity } from './layout.ts'
import { loadPki, newControlPlaneKeys, newKey, type Pki, requestsOf } from './pki.ts'
import { needFresh, needPackage, needPorts, needRoot, nodeName } from './preflight.ts'
import { allOrNothing, type Undo } from './undo.ts'
import { hostPort, httpsUrl } from './urls.ts'
import { waitForController, waitForEtcd } from './wait.ts'

/** Seconds; the controller's own default. */
const defaultLife = 365 * 86_400
/** How many hosts may join by the line that is printed, within how many seconds. */
export const printed = { uses: 100, ttl: 3_600 } as const

export interface InitOptions extends ForeignOptions {
  readonly advertise?: string
  readonly name?: string
  readonly vtepAddress?: string
  readonly vtepInterface?: string
  readonly pool?: readonly string[]
  /** Seconds. */
  readonly certificateLife?: number
}

/** What has been found out before anything is changed. */
interface Plan {
  readonly node: string
  readonly advertise: string
  readonly foreignUrls: readonly string[] | undefined
  readonly foreign: ForeignFiles | undefined
}

export interface Initialized {
  readonly node: string
  /** HOST:PORT. */
  readonly controller: string
  readonly token: CreateTokenResponse
}

/** @throws OverlayError; then nothing is left of it on this host. */
export async function initCluster(context: Context, options: InitOptions): Promise<Initialized> {
  const plan = await prepare(context, options)
  const { host } = context
  return allOrNothing(context, async (undo) => {
    context.note('making the authority and the first certificates')
    const identity = await found(context, undo, plan, options)
    const { advertise, node, foreign } = plan
    const etcdUrls = plan.foreignUrls ?? [httpsUrl(advertise, host.ports.etcdClient)]
    if (!plan.foreignUrls) {
      const members = [{ name: node, peerUrl: httpsUrl(advertise, host.ports.etcdPeer) }]
      await startEtcd(context, undo, { node, advertise, members, state: 'new', token: `overlay-${Date.now()}` })
      await waitForEtcd(context, httpsUrl('127.0.0.1', host.ports.etcdClient), etcdAccess(identity))
    }
    await startController(context, undo, {
      advertise,
      etcdUrls,
      foreignEtcd: plan.foreignUrls && foreignEtcdOf(foreign),
      pools: options.pool,
      certificateLife: options.certificateLife,
    })
    return enterOwn(context, undo, plan, identity, options)
  })
}

/** All that may be refused, before anything is changed. */
async function prepare(context: Context, options: InitOptions): Promise<Plan> {
  const { host, note } = context
  needRoot(host, 'cluster init')
  await needPackage(host, true)
  needFresh(host)
  const node = nodeName(host, options.name)
  if (options.vtepAddress !== undefined && options.vtepInterface !== undefined)
    throw new OverlayError('invalid', 'give --vtep-address or --vtep-interface, not both')
  const foreignUrls = options.etcd === undefined ? undefined : parseUrls(options.etcd)
  const foreign = readForeignFiles(host, options)
  if (foreign && !foreignUrls) throw new OverlayError('invalid', '--etcd-ca, --etcd-cert and --etcd-key go with --etcd')
  const { address, note: why } = await chooseAdvertised(host, options.advertise)
  if (why) note(why)
  await needPorts(host, !foreignUrls)
  return { node, advertise: address, foreignUrls, foreign }
}

/** Makes the authority, and with it the certificates of this host's programs and of root as an admin. */
async function found(
  context: Context,
  undo: Undo,
  { node, advertise, foreignUrls, foreign }: Plan,
  { certificateLife = defaultLife }: InitOptions,
): Promise<ControlPlaneIdentity> {
  const { host } = context
  const pki = await loadPki()
  const life = certificateLife * 1000
  const now = Date.now()
  const sealingKey = pki.createSealingKey()
  const { authority, record } = await pki.newAuthority(sealingKey, 'ACTIVE', now)
  const keys = await newControlPlaneKeys(pki)
  const id = pki.newIdentityId()
  const issued = await pki.issueControlPlane(authority, requestsOf(keys, advertise), { id, name: node }, life)
  const authorities = authority.certificate
  const identity = { ...issued, keys, authorities, sealingKey }
  const admin = await issueAdmin(pki, authority, node, life)
  const origin = { origin: 'init', authority: record.id } as const
  const identities = [
    pki.enrolledIdentity({ id, role: 'controller', name: node, certificate: issued.controller, ...origin }, now),
    pki.enrolledIdentity({ id: admin.id, role: 'admin', name: node, certificate: admin.certificate, ...origin }, now),
  ]
  await writeController(context, undo, identity, foreign)
  const first = pki.formatFirstAuthority({ authorities: { authorities: [record] }, identities })
  await writeControllerSecret(host, paths.firstAuthority, first)
  if (!foreignUrls) await writeEtcd(context, undo, identity)
  undo(() => removeAll(host, [paths.adminTls, paths.clientConfig]))
  await makeAdminDirectory(host)
  await writeIdentity(host, paths.adminTls, { ...admin, authorities })
  await writeConfig(host, paths.clientConfig, adminConfig())
  return identity
}

async function issueAdmin(pki: Pki, authority: Parameters<Pki['issueIdentity']>[0], name: string, life: number) {
  const { key, request } = await newKey(pki)
  const id = pki.newIdentityId()
  const certificate = await pki.issueIdentity(authority, request, { id, role: 'admin', name }, { life })
  return { id, key, certificate }
}

/** The first node enters as every other one does. */
async function enterOwn(
  context: Context,
  undo: Undo,
  { node, advertise, foreign }: Plan,
  { authorities, controller, keys }: ControlPlaneIdentity,
  { vtepAddress, vtepInterface }: InitOptions,
): Promise<Initialized> {
  const { ports } = context.host
  const own = hostPort('127.0.0.1', ports.controller)
  const peer = dial(context, own, { authorities, certificate: controller, key: keys.controller.key })
  try {
    await waitForController(context, peer)
    const { token } = await createToken(peer, { uses: 1, ttl: 600, description: `first node, ${node}` })
    const door = await findDoor(context, [own], token)
    const entered = await enter(context, door, { name: node, roles: ['node'], replace: false })
    const vtep = vtepInterface === undefined ? { vtepAddress: vtepAddress ?? advertise } : { vtepInterface }
    await becomeNode(context, undo, node, entered, vtep, foreign)
    const printedToken = await createToken(peer, { ...printed, description: 'printed by cluster init' })
    return { node, controller: hostPort(advertise, ports.controller), token: printedToken }
  } finally {
    peer.close()
  }
}

function createToken(
  controller: Peer,
  wanted: { readonly uses: number; readonly ttl: number; readonly description: string },
): Promise<CreateTokenResponse> {
  return controller.ask((client, call) => client.service(TokensService).create({ role: 'node', ...wanted }, call))
}
