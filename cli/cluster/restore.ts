/** Makes the control plane anew from a backup, on this host. */
import { resolve } from 'node:path'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { paths } from '../../lib/paths.ts'
import { AuthoritySet, NodesService, TokensService } from '../../proto/index.ts'
import type { Context } from '../context.ts'
import { chooseAdvertised } from './advertised.ts'
import { tar } from './backup.ts'
import { backupNames, checkBackup, type Manifest } from './backup-file.ts'
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
import { type Entered, enter, findDoor } from './enrol.ts'
import type { Host } from './host.ts'
import { giveToEtcd, makeAdminDirectory, removeAll, writeConfig, writeIdentity } from './layout.ts'
import { loadPki, newControlPlaneKeys, requestsOf } from './pki.ts'
import { needPackage, needPorts, needRoot, nodeName } from './preflight.ts'
import { allOrNothing, type Undo } from './undo.ts'
import { isActive, startUnit, units } from './units.ts'
import { hostPort, httpsUrl } from './urls.ts'
import { waitForController, waitForEtcd } from './wait.ts'

/** The package's own, else what the path has. */
const etcdctl = '/usr/lib/overlay/bin/etcdctl'
/** Seconds; the controller's own default. */
const defaultLife = 365 * 86_400

export interface RestoreOptions {
  readonly advertise?: string
  readonly name?: string
  /** Of a backup without it. */
  readonly sealingKey?: string
}

export interface Restored {
  readonly node: string
  readonly controller: string
  readonly manifest: Manifest
  /** Where what was there before is now. */
  readonly aside: readonly string[]
}

interface Plan {
  readonly node: string
  readonly advertise: string
  /** Where the backup is unpacked. */
  readonly unpacked: string
  readonly manifest: Manifest
  readonly sealingKey: Buffer
}

/** @throws OverlayError; then all is on this host as it was. */
export async function restoreCluster(context: Context, file: string, options: RestoreOptions): Promise<Restored> {
  const { host } = context
  needRoot(host, 'cluster restore')
  await needPackage(host, true)
  for (const unit of [units.controller, units.etcd])
    if (await isActive(host, unit))
      throw new OverlayError(
        'failed_precondition',
        `${unit} runs on this host: stop the control plane first, on each of its hosts (systemctl stop ${units.controller} ${units.etcd})`,
      )
  const node = nodeName(host, options.name)
  const { address: advertise, note } = await chooseAdvertised(host, options.advertise)
  if (note) context.note(note)
  await needPorts(host, true)
  if (!host.exists(file)) throw new OverlayError('not_found', `there is no file ${file}`)
  await host.makeDirectory('/var/lib/overlay', { mode: 0o755 })
  const unpacked = await host.makeTemporary('/var/lib/overlay')
  try {
    await tar(host, ['-xf', resolve(file), '--no-same-owner', '-C', unpacked])
    const manifest = await checkBackup(host, unpacked, file)
    const sealingKey = sealingKeyOf(host, unpacked, options)
    return await allOrNothing(context, (undo) =>
      restore(context, undo, { node, advertise, unpacked, manifest, sealingKey }),
    )
  } finally {
    await host.remove(unpacked)
  }
}

async function restore(context: Context, undo: Undo, plan: Plan): Promise<Restored> {
  const { node, advertise, manifest } = plan
  const { host } = context
  const aside = await putAside(context, undo)
  const identity = await issue(context, plan)
  await writeController(context, undo, identity, undefined)
  await writeEtcd(context, undo, identity)
  await restoreData(context, plan)
  const members = [{ name: node, peerUrl: httpsUrl(advertise, host.ports.etcdPeer) }]
  await startEtcd(context, undo, { node, advertise, members, state: 'new', token: tokenOf(plan) })
  await waitForEtcd(context, httpsUrl('127.0.0.1', host.ports.etcdClient), etcdAccess(identity))
  const etcdUrls = [httpsUrl(advertise, host.ports.etcdClient)]
  await startController(context, undo, {
    advertise,
    etcdUrls,
    foreignEtcd: undefined,
    prefix: manifest.prefix,
    pools: manifest.settings.pool,
    certificateLife: lifeOf(manifest),
  })
  await enterAgain(context, undo, plan, identity)
  return { node, controller: hostPort(advertise, host.ports.controller), manifest, aside }
}

/** What a stopped host of the control plane has is kept beside. */
async function putAside({ host, now }: Context, undo: Undo): Promise<readonly string[]> {
  const mark = now()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, '')
  const aside: string[] = []
  for (const path of [paths.controllerConfig, paths.etcdConfig, paths.controllerState, paths.etcdData, paths.etcdTls]) {
    if (!host.exists(path)) continue
    const to = `${path}.before-${mark}`
    await host.rename(path, to)
    undo(() => host.rename(to, path))
    aside.push(to)
  }
  return aside
}

/** New certificates of the backup's authority, for the identity that etcd's users know. */
async function issue(
  { host }: Context,
  { unpacked, sealingKey, advertise, manifest }: Plan,
): Promise<ControlPlaneIdentity> {
  const pki = await loadPki()
  const set = AuthoritySet.fromJson(JSON.parse(host.read(`${unpacked}/${backupNames.authorities}`).toString('utf8')))
  const authority = pki.openAuthority(sealingKey, pki.activeAuthority(set))
  const keys = await newControlPlaneKeys(pki)
  const issued = await pki.issueControlPlane(
    authority,
    requestsOf(keys, advertise),
    manifest.controller,
    (lifeOf(manifest) ?? defaultLife) * 1000,
  )
  return { ...issued, keys, authorities: pki.bundleOf(set), sealingKey }
}

function sealingKeyOf(host: Host, unpacked: string, { sealingKey }: RestoreOptions): Buffer {
  const packed = `${unpacked}/${backupNames.sealingKey}`
  if (sealingKey === undefined && !host.exists(packed))
    throw new OverlayError('invalid', 'this backup was made without the sealing key: give its file with --sealing-key')
  return host.read(sealingKey ?? packed)
}

/** etcdctl 3.4 wants to make the directory itself. */
async function restoreData({ host, note }: Context, plan: Plan): Promise<void> {
  const { node, advertise, unpacked } = plan
  note('restoring the data of etcd')
  const made = `${unpacked}/restored`
  const peer = httpsUrl(advertise, host.ports.etcdPeer)
  const options = {
    'data-dir': made,
    name: node,
    'initial-cluster': `${node}=${peer}`,
    'initial-advertise-peer-urls': peer,
    'initial-cluster-token': tokenOf(plan),
  }
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  const program = host.exists(etcdctl) ? etcdctl : 'etcdctl'
  const args = ['snapshot', 'restore', `${unpacked}/${backupNames.snapshot}`, ...flags]
  const { code, stderr } = await host.run(program, args, { env: { ETCDCTL_API: '3' } })
  if (code !== 0) throw new OverlayError('failed_precondition', `etcdctl snapshot restore failed: ${stderr.trim()}`)
  await host.rename(`${made}/member`, `${paths.etcdData}/member`)
  await giveToEtcd(host, paths.etcdData)
}

/** Seconds. */
function lifeOf({ settings: { certificateLife } }: Manifest): number | undefined {
  return certificateLife === undefined ? undefined : Number(certificateLife)
}

/** Old members that come up again must not take this one for their own cluster's. */
function tokenOf({ manifest }: Plan): string {
  return `overlay-${manifest.clusterUid}-${manifest.createdAt}`
}

/** The host's agent goes on with its identity; on a fresh host it gets one, and root another. */
async function enterAgain(
  context: Context,
  undo: Undo,
  { node, advertise }: Plan,
  { authorities, controller, keys }: ControlPlaneIdentity,
): Promise<void> {
  const { host, signals } = context
  const own = hostPort('127.0.0.1', host.ports.controller)
  const peer = dial(context, own, { authorities, certificate: controller, key: keys.controller.key })
  /** The host's node in the backup counts as alive for a while, and nobody takes a living one's place. */
  const removeFormer = () =>
    peer
      .ask((client, call) => client.service(NodesService).remove({ name: node, force: true }, call))
      .catch((error: unknown) => {
        if (!hasCode(error, 'not_found')) throw error
      })
  const enterAs = async (role: 'node' | 'admin'): Promise<Entered> => {
    const { token } = await peer.ask((client, call) =>
      client.service(TokensService).create({ role, ttl: 600, uses: 1, description: 'cluster restore' }, call),
    )
    return enter(context, await findDoor(context, [own], token), { name: node, roles: [role], replace: true })
  }
  try {
    await waitForController(context, peer)
    if (!host.exists(paths.adminTls)) {
      const { answer, key } = await enterAs('admin')
      undo(() => removeAll(host, [paths.adminTls, paths.clientConfig]))
      await makeAdminDirectory(host)
      await writeIdentity(host, paths.adminTls, { ...answer, key })
      await writeConfig(host, paths.clientConfig, adminConfig())
    }
    if (host.exists(paths.agentConfig)) {
      await pointAgentHere(context, undo, httpsUrl(advertise, host.ports.etcdClient))
      await startUnit(host, units.agent, signals.interrupted)
    } else {
      await removeFormer()
      await becomeNode(context, undo, node, await enterAs('node'), { vtepAddress: advertise }, undefined)
    }
  } finally {
    peer.close()
  }
}

/** The agent that was here may know only members of etcd that are no more. */
async function pointAgentHere({ host }: Context, undo: Undo, url: string): Promise<void> {
  const { parse } = await import('yaml')
  const before = host.read(paths.agentConfig).toString('utf8')
  const config = (parse(before) ?? {}) as { etcd?: string | string[] }
  if (
    [config.etcd ?? []]
      .flat()
      .flatMap((text) => text.split(','))
      .includes(url)
  )
    return
  undo(() => host.write(paths.agentConfig, before, { mode: 0o644, user: 'root', group: 'root' }))
  await writeConfig(host, paths.agentConfig, { ...config, etcd: url })
}
