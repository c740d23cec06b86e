/** The directories and files of a host in a cluster: whose they are, and who may read them. */
import { paths } from '../../lib/paths.ts'
import type { FileAccess, Host } from './host.ts'

const root = { user: 'root', group: 'root' } as const
const controller = { user: 'overlay-controller', group: 'overlay-controller' } as const
const etcd = { user: 'overlay-etcd', group: 'overlay-etcd' } as const
/** Written by the controller, read by etcd. */
const etcdTls = { user: controller.user, group: etcd.group } as const

/** A certificate, its key, and the authorities to trust: PEM. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
  readonly authorities: string
}

/** Names of the files of an identity, in its directory. */
export function tlsFiles(directory: string) {
  return { cert: `${directory}/tls.crt`, key: `${directory}/tls.key`, ca: `${directory}/ca.crt` } as const
}

/** Certificates for an etcd of somebody else's, beside the program's own. */
export function foreignEtcdFiles(directory: string) {
  return { cert: `${directory}/etcd.crt`, key: `${directory}/etcd.key`, ca: `${directory}/etcd-ca.crt` } as const
}

export async function makeAgentDirectories(host: Host): Promise<void> {
  await makeShared(host)
  await host.makeDirectory(paths.agentState, { mode: 0o700, ...root })
  await host.makeDirectory(paths.agentTls, { mode: 0o700, ...root })
}

export async function makeControllerDirectories(host: Host): Promise<void> {
  await makeShared(host)
  await host.makeDirectory(paths.controllerState, { mode: 0o700, ...controller })
  await host.makeDirectory(paths.controllerTls, { mode: 0o700, ...controller })
}

export async function makeEtcdDirectories(host: Host): Promise<void> {
  await makeShared(host)
  await host.makeDirectory(paths.etcdData, { mode: 0o700, ...etcd })
  await host.makeDirectory(paths.etcdTls, { mode: 0o750, ...etcdTls })
}

export async function makeAdminDirectory(host: Host): Promise<void> {
  await makeShared(host)
  await host.makeDirectory(paths.adminTls, { mode: 0o700, ...root })
}

async function makeShared(host: Host): Promise<void> {
  for (const path of ['/etc/overlay', '/var/lib/overlay']) await host.makeDirectory(path, { mode: 0o755, ...root })
}

/** An identity's files. The key comes first: a certificate without it would be of no use. */
export async function writeIdentity(
  host: Host,
  directory: string,
  { certificate, key, authorities }: CertificateFiles,
): Promise<void> {
  const owner = directory === paths.controllerTls ? controller : root
  const files = tlsFiles(directory)
  await host.write(files.key, key, { mode: 0o600, ...owner })
  await host.write(files.ca, authorities, { mode: 0o644, ...owner })
  await host.write(files.cert, certificate, { mode: 0o644, ...owner })
}

export interface EtcdCertificates {
  readonly server: { readonly certificate: string; readonly key: string }
  readonly peer: { readonly certificate: string; readonly key: string }
  readonly authorities: string
}

export async function writeEtcdTls(host: Host, { server, peer, authorities }: EtcdCertificates): Promise<void> {
  const access: FileAccess = { mode: 0o640, ...etcdTls }
  const files = {
    'server.key': server.key,
    'server.crt': server.certificate,
    'peer.key': peer.key,
    'peer.crt': peer.certificate,
    'ca.crt': authorities,
  }
  for (const [name, content] of Object.entries(files)) await host.write(`${paths.etcdTls}/${name}`, content, access)
}

/** Certificates for an etcd of somebody else's, in the program's own directory: its user must read them. */
export async function writeForeignEtcd(
  host: Host,
  directory: string,
  material: { readonly ca: Uint8Array; readonly cert?: Uint8Array; readonly key?: Uint8Array },
): Promise<void> {
  const owner = directory === paths.controllerTls ? controller : root
  const files = foreignEtcdFiles(directory)
  if (material.key) await host.write(files.key, material.key, { mode: 0o600, ...owner })
  if (material.cert) await host.write(files.cert, material.cert, { mode: 0o644, ...owner })
  await host.write(files.ca, material.ca, { mode: 0o644, ...owner })
}

export async function writeControllerSecret(host: Host, path: string, content: string | Uint8Array): Promise<void> {
  await host.write(path, content, { mode: 0o600, ...controller })
}

/** Configuration holds no secret. */
export async function writeConfig(host: Host, path: string, content: object): Promise<void> {
  const { stringify } = await import('yaml')
  const head = '# Written by overlayctl cluster; yours to change: see the options of the program, in lowerCamelCase.\n'
  await host.write(path, head + stringify(content, { lineWidth: 0 }), { mode: 0o644, ...root })
}

/** Gives what a program run by root has made to etcd. */
export async function giveToEtcd(host: Host, path: string): Promise<void> {
  await host.run('chown', ['-R', `${etcd.user}:${etcd.group}`, path])
}

/** Everything of the control plane on this host; etcd's data with it. */
export const controlPlanePaths = [
  paths.controllerConfig,
  paths.etcdConfig,
  paths.clientConfig,
  paths.controllerState,
  paths.etcdData,
  paths.etcdTls,
  paths.adminTls,
] as const

/** Everything of the node. */
export const nodePaths = [paths.agentConfig, paths.agentState] as const

export async function removeAll(host: Host, all: readonly string[]): Promise<void> {
  for (const path of all) await host.remove(path)
}
