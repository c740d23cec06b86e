/** The units of the package, by systemctl. */
import { OverlayError } from '../../lib/errors.ts'
import type { Host } from './host.ts'

export const units = {
  etcd: 'overlay-etcd.service',
  /** Has etcd started again when its authorities have changed. */
  etcdTrust: 'overlay-etcd-trust.path',
  controller: 'overlay-controller.service',
  agent: 'overlay-agent.service',
} as const

export type Unit = (typeof units)[keyof typeof units]

/**
 * Starts a unit, now and at each boot, and waits until it says that it is ready.
 * @throws OverlayError `failed_precondition` with what it logged last.
 */
export async function startUnit(host: Host, unit: Unit, signal: AbortSignal): Promise<void> {
  const enabled = await host.run('systemctl', ['enable', '--quiet', unit], { signal })
  const started = enabled.code === 0 ? await host.run('systemctl', ['restart', unit], { signal }) : enabled
  signal.throwIfAborted()
  if (started.code !== 0) throw await notStarted(host, unit, started.stderr)
}

/** With the last line of its log. */
export async function notStarted(host: Host, unit: Unit, otherwise: string): Promise<OverlayError> {
  const { stdout } = await host.run('journalctl', ['--unit', unit, '--lines', '5', '--output', 'cat', '--no-pager'])
  const lines = stdout.split('\n').filter((line) => line.trim() !== '' && !/^(Stopp|Start|Failed to start)/.test(line))
  const why = lines.findLast((line) => !line.startsWith(unit)) ?? otherwise.trim()
  return new OverlayError('failed_precondition', `${unit} did not start: ${why} (see: journalctl -u ${unit})`)
}

/** Stops a unit, now and for each boot; nothing when it is not there. */
export async function stopUnit(host: Host, unit: Unit): Promise<void> {
  await host.run('systemctl', ['disable', '--quiet', '--now', unit])
  await host.run('systemctl', ['reset-failed', '--quiet', unit])
}

export async function isActive(host: Host, unit: Unit): Promise<boolean> {
  const { stdout } = await host.run('systemctl', ['is-active', unit])
  return ['active', 'activating', 'reloading'].includes(stdout.trim())
}

export async function isInstalled(host: Host, unit: Unit): Promise<boolean> {
  return (await host.run('systemctl', ['cat', unit])).code === 0
}
