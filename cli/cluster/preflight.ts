/** What must hold before anything is changed on a host. */
import { OverlayError } from '../../lib/errors.ts'
import { isName } from '../../lib/names.ts'
import { paths } from '../../lib/paths.ts'
import type { Host } from './host.ts'
import { isInstalled, units } from './units.ts'

/** By any of these a host is told to be part of a cluster. */
const marks = [
  paths.etcdConfig,
  paths.controllerConfig,
  paths.agentConfig,
  paths.sealingKey,
  `${paths.agentTls}/tls.crt`,
  `${paths.agentState}/cluster.json`,
  `${paths.etcdData}/member`,
] as const

/** Which of a cluster's files this host has. */
export function marksOf(host: Host): readonly string[] {
  return marks.filter((path) => host.exists(path))
}

/** @throws OverlayError `permission_denied` */
export function needRoot(host: Host, what: string): void {
  if (!host.isRoot())
    throw new OverlayError('permission_denied', `${what} changes this host: run it as root (for example with sudo)`)
}

/** @throws OverlayError `failed_precondition` */
export async function needPackage(host: Host, controlPlane: boolean): Promise<void> {
  if (!host.exists('/run/systemd/system'))
    throw new OverlayError(
      'failed_precondition',
      'this host is not run by systemd, whose units keep the programs running: start overlay-controller and overlay-agent by hand there',
    )
  const needed = controlPlane ? [units.etcd, units.controller, units.agent] : [units.agent]
  for (const unit of needed)
    if (!(await isInstalled(host, unit)))
      throw new OverlayError(
        'failed_precondition',
        `there is no ${unit} on this host: install the package of overlay first`,
      )
  for (const user of controlPlane ? ['overlay-etcd', 'overlay-controller'] : [])
    if (!(await host.knows('passwd', user)))
      throw new OverlayError(
        'failed_precondition',
        `there is no user ${user} on this host: install the package of overlay`,
      )
}

/** @throws OverlayError `failed_precondition` */
export function needFresh(host: Host): void {
  const found = marksOf(host)
  if (found.length > 0)
    throw new OverlayError(
      'failed_precondition',
      `this host is part of a cluster already (${found.join(', ')}): overlayctl cluster leave takes it out`,
    )
}

/**
 * The node's name: as given, or this host's.
 * @throws OverlayError `invalid`, `failed_precondition`
 */
export function nodeName(host: Host, given: string | undefined): string {
  const name = given ?? host.hostname().split('.')[0] ?? ''
  const how = given === undefined ? `the host's name, "${host.hostname()}",` : `--name "${name}"`
  if (name === 'localhost')
    throw new OverlayError(
      'failed_precondition',
      `${how} is every host's: name this one (hostnamectl set-hostname NAME), or give --name`,
    )
  if (!isName(name))
    throw new OverlayError(
      'invalid',
      `${how} cannot be a node's: 1 to 63 lower-case letters, digits and hyphens${given === undefined ? ': give --name' : ''}`,
    )
  return name
}

/** @throws OverlayError `failed_precondition` */
export async function needPorts(host: Host, withEtcd: boolean): Promise<void> {
  const { controller, etcdClient, etcdPeer } = host.ports
  for (const port of [...(withEtcd ? [etcdClient, etcdPeer] : []), controller]) {
    const listener = await host.listener(port)
    if (!listener) continue
    const who = listener.program || 'another program'
    const todo =
      port === controller
        ? 'stop it'
        : "stop it (Debian's own etcd: systemctl disable --now etcd), or have it used with --etcd URL"
    throw new OverlayError('failed_precondition', `TCP port ${port} is taken on this host by ${who}: ${todo}`)
  }
}
