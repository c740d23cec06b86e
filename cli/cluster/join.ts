/** Makes this host part of a cluster that is there. */
import { isIP } from 'node:net'
import { OverlayError } from '../../lib/errors.ts'
import { paths } from '../../lib/paths.ts'
import { isLoopback } from '../../lib/reach.ts'
import { ControlPlaneService, SecurityService } from '../../proto/index.ts'
import type { Peer } from '../connect.ts'
import type { Context } from '../context.ts'
import { checkOwn, isNat, natRefused } from './advertised.ts'
import { becomeNode, type Vtep } from './become-node.ts'
import { type ControlPlaneIdentity, startController, startEtcd, writeController, writeEtcd } from './control-plane.ts'
import { dial } from './dial.ts'
import { type Door, type Entered, enter, findDoor, readToken } from './enrol.ts'
import { type ForeignFiles, type ForeignOptions, foreignEtcdOf, readForeignFiles } from './foreign-etcd.ts'
import { giveBack, uninterrupted } from './give-back.ts'
import { needFresh, needPackage, needPorts, needRoot, nodeName } from './preflight.ts'
import { allOrNothing, type Undo } from './undo.ts'
import { hostPort, httpsUrl } from './urls.ts'
import { waitForController, waitForPlace, waitForVote } from './wait.ts'

export interface JoinOptions extends ForeignOptions {
  readonly token?: string
  readonly tokenFile?: string
  readonly controlPlane?: boolean
  readonly advertise?: string
  readonly name?: string
  readonly replace?: boolean
  readonly vtepAddress?: string
  readonly vtepInterface?: string
  /** Of a host of the control plane, as of init. */
  readonly pool?: readonly string[]
  /** Seconds. */
  readonly certificateLife?: number
}

export interface Joined {
  readonly node: string
  readonly clusterUid: string
  readonly controllers: readonly string[]
}

interface Plan {
  readonly node: string
  readonly advertise: string
  readonly door: Door
  readonly foreign: ForeignFiles | undefined
  readonly vtep: Vtep
}

/** @throws OverlayError; then nothing is left of it on this host, nor in the cluster. */
export async function joinCluster(
  context: Context,
  controllers: readonly string[],
  options: JoinOptions,
): Promise<Joined> {
  const plan = await prepare(context, controllers, options)
  const { node, advertise, door, foreign, vtep } = plan
  return allOrNothing(context, async (undo) => {
    context.note(`joining at ${door.address} as ${node}`)
    const controlPlaneHost = options.controlPlane ? advertise : undefined
    const entered = await enter(context, door, {
      name: node,
      roles: ['node'],
      replace: options.replace ?? false,
      controlPlaneHost,
    })
    undo(() => giveBack(context, door.address, entered))
    if (entered.controlPlane) await joinControlPlane(context, undo, plan, entered, options)
    await becomeNode(context, undo, node, entered, vtep, foreign)
    return { node, clusterUid: entered.answer.clusterUid, controllers: entered.answer.controllers }
  })
}

async function prepare(context: Context, controllers: readonly string[], options: JoinOptions): Promise<Plan> {
  const { host } = context
  const { controlPlane = false, vtepAddress, vtepInterface } = options
  needRoot(host, 'cluster join')
  if (!controlPlane && (options.pool ?? options.certificateLife) !== undefined)
    throw new OverlayError('invalid', '--pool and --certificate-life are for controllers: they go with --control-plane')
  const token = await readToken(context, options)
  await needPackage(host, controlPlane)
  needFresh(host)
  const node = nodeName(host, options.name)
  if (vtepAddress !== undefined && vtepInterface !== undefined)
    throw new OverlayError('invalid', 'give --vtep-address or --vtep-interface, not both')
  const foreign = readForeignFiles(host, options)
  if (options.advertise !== undefined) checkOwn(host, options.advertise)
  const door = await findDoor(context, controllers, token)
  const advertise = options.advertise ?? advertisedBy(context, door)
  const vtep = vtepInterface === undefined ? { vtepAddress: vtepAddress ?? advertise } : { vtepInterface }
  if (controlPlane) await needPorts(host, true)
  return { node, advertise, door, foreign, vtep }
}

/** The address that this host reached the controller from is the surest that the others reach it by. */
function advertisedBy({ host }: Context, { localAddress, address }: Door): string {
  if (isIP(localAddress) === 0 || isLoopback(localAddress) || /^(fe80:|169\.254\.)/.test(localAddress))
    throw new OverlayError(
      'failed_precondition',
      `the way to ${address} does not tell by which address others reach this host: name one with --advertise`,
    )
  if (isNat(localAddress))
    throw natRefused(
      localAddress,
      host.addresses().filter((one) => !isNat(one.address)),
    )
  return localAddress
}

/**
 * Etcd first learns of the member, which then starts, catches up and gets its
 * vote; then the controller, which speaks to it.
 */
async function joinControlPlane(
  context: Context,
  undo: Undo,
  plan: Plan,
  entered: Entered,
  { pool: pools, certificateLife }: Pick<JoinOptions, 'pool' | 'certificateLife'>,
): Promise<void> {
  const { node, advertise, door, foreign } = plan
  const identity = grantedIdentity(entered)
  const { answer } = entered
  const external = answer.controlPlane?.externalEtcd ?? false
  await writeController(context, undo, identity, foreign)
  const peer = dial(context, door.address, controllerMaterial(identity))
  undo(async () => peer.close())
  undo(() =>
    asThisController(context, door.address, identity, (own) =>
      own.ask((client, call) => client.service(SecurityService).revoke({ identity: `controller/${node}` }, call)),
    ),
  )
  const own = httpsUrl(advertise, context.host.ports.etcdClient)
  if (!external) await joinEtcd(context, undo, peer, plan, identity)
  await startController(context, undo, {
    advertise,
    etcdUrls: external ? answer.etcdUrls : [own, ...answer.etcdUrls.filter((url) => url !== own)],
    foreignEtcd: external ? foreignEtcdOf(foreign) : undefined,
    prefix: answer.prefix,
    pools,
    certificateLife,
  })
  const ownController = dial(
    context,
    hostPort('127.0.0.1', context.host.ports.controller),
    controllerMaterial(identity),
  )
  try {
    await waitForController(context, ownController)
  } finally {
    ownController.close()
    peer.close()
  }
}

async function joinEtcd(
  context: Context,
  undo: Undo,
  controller: Peer,
  { node, advertise, door }: Plan,
  identity: ControlPlaneIdentity,
): Promise<void> {
  const peerUrl = httpsUrl(advertise, context.host.ports.etcdPeer)
  await writeEtcd(context, undo, identity)
  let isForgotten = false
  const forget = () =>
    asThisController(context, door.address, identity, async (own) => {
      if (isForgotten) return
      await removeOwnMember(own, node, peerUrl)
      isForgotten = true
    })
  undo(forget)
  const members = await waitForPlace(context, controller, { name: node, peerUrl })
  const all = members.map((member) => ({
    name: member.peerUrl === peerUrl ? node : member.name,
    peerUrl: member.peerUrl,
  }))
  await startEtcd(context, undo, { node, advertise, members: all, state: 'existing', token: 'overlay' })
  // Before it is stopped: with its vote it would be missed where two have one, and nothing could be decided any more.
  undo(forget)
  context.note('etcd catches up with the other members')
  await waitForVote(context, controller, node)
}

function grantedIdentity({ answer, controlPlane }: Entered): ControlPlaneIdentity {
  const grant = answer.controlPlane
  if (!grant || !controlPlane)
    throw new OverlayError(
      'permission_denied',
      'the token is not for hosts of the control plane: make one with "overlayctl cluster token create --control-plane"',
    )
  return {
    keys: controlPlane,
    controller: grant.controllerCertificate,
    etcdServer: grant.etcdServerCertificate,
    etcdPeer: grant.etcdPeerCertificate,
    authorities: answer.authorities,
    sealingKey: grant.sealingKey,
  }
}

function controllerMaterial({ authorities, controller, keys }: ControlPlaneIdentity) {
  return { authorities, certificate: controller, key: keys.controller.key }
}

/** By its id, as it has no name before it has started. */
async function removeOwnMember(own: Peer, node: string, peerUrl: string): Promise<void> {
  const { members } = await own.ask((client, call) => client.service(SecurityService).get({}, call))
  const name = members.find((member) => member.peerUrl === peerUrl)?.id ?? node
  await own.ask((client, call) => client.service(ControlPlaneService).removeMember({ name }, call))
}

/** Asks the cluster to take something back. What it does not know any more is done; what cannot be is told. */
async function asThisController(
  context: Context,
  address: string,
  identity: ControlPlaneIdentity,
  question: (own: Peer) => Promise<unknown>,
): Promise<void> {
  const own = dial({ ...context, signals: uninterrupted(context) }, address, controllerMaterial(identity))
  try {
    await question(own)
  } catch (thrown) {
    if (!['not_found', 'unauthenticated'].includes(OverlayError.from(thrown).code)) throw thrown
  } finally {
    own.close()
  }
}

/** Whether this host is of the control plane. */
export function isControlPlane({ host }: Context): boolean {
  return host.exists(paths.controllerConfig)
}
