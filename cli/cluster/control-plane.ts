/** Etcd and the controller of this host: their files written, and both started. */
import { paths } from '../../lib/paths.ts'
import type { Context } from '../context.ts'
import { type ControllerSettings, controllerConfig, type EtcdSettings, etcdConfig } from './configs.ts'
import type { ForeignFiles } from './foreign-etcd.ts'
import type { EtcdAccess } from './host.ts'
import {
  type EtcdCertificates,
  makeControllerDirectories,
  makeEtcdDirectories,
  removeAll,
  writeConfig,
  writeControllerSecret,
  writeEtcdTls,
  writeForeignEtcd,
  writeIdentity,
} from './layout.ts'
import type { ControlPlaneKeys } from './pki.ts'
import type { Undo } from './undo.ts'
import { startUnit, stopUnit, units } from './units.ts'

/** What a host of the control plane is given: PEM. */
export interface ControlPlaneIdentity {
  readonly keys: ControlPlaneKeys
  readonly controller: string
  readonly etcdServer: string
  readonly etcdPeer: string
  readonly authorities: string
  readonly sealingKey: Uint8Array
}

/** The certificates that etcd asks clients for: the controller's. */
export function etcdAccess({ keys, controller, authorities }: ControlPlaneIdentity): EtcdAccess {
  return { ca: authorities, cert: controller, key: keys.controller.key }
}

/** The controller's files but for its configuration, with which it could be started. */
export async function writeController(
  { host }: Context,
  undo: Undo,
  { keys, controller, authorities, sealingKey }: ControlPlaneIdentity,
  foreign: ForeignFiles | undefined,
): Promise<void> {
  undo(() => removeAll(host, [paths.controllerConfig, paths.controllerState]))
  await makeControllerDirectories(host)
  await writeIdentity(host, paths.controllerTls, { certificate: controller, key: keys.controller.key, authorities })
  await writeControllerSecret(host, paths.sealingKey, sealingKey)
  if (foreign) await writeForeignEtcd(host, paths.controllerTls, foreign)
}

export async function writeEtcd(
  { host }: Context,
  undo: Undo,
  { keys, etcdServer, etcdPeer, authorities }: ControlPlaneIdentity,
): Promise<void> {
  undo(() => removeAll(host, [paths.etcdConfig, paths.etcdData, paths.etcdTls]))
  await makeEtcdDirectories(host)
  const certificates: EtcdCertificates = {
    server: { certificate: etcdServer, key: keys.etcdServer.key },
    peer: { certificate: etcdPeer, key: keys.etcdPeer.key },
    authorities,
  }
  await writeEtcdTls(host, certificates)
}

export async function startEtcd({ host, note, signals }: Context, undo: Undo, settings: EtcdSettings): Promise<void> {
  await writeConfig(host, paths.etcdConfig, etcdConfig(host, settings))
  note('starting etcd')
  undo(() => stopEtcd(host))
  await startUnit(host, units.etcd, signals.interrupted)
  await startUnit(host, units.etcdTrust, signals.interrupted)
}

export async function stopEtcd(host: Context['host']): Promise<void> {
  await stopUnit(host, units.etcdTrust)
  await stopUnit(host, units.etcd)
}

export async function startController(
  { host, note, signals }: Context,
  undo: Undo,
  settings: ControllerSettings,
): Promise<void> {
  await writeConfig(host, paths.controllerConfig, controllerConfig(host, settings))
  note('starting the controller')
  undo(() => stopUnit(host, units.controller))
  await startUnit(host, units.controller, signals.interrupted)
}
