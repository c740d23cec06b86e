/** Hosts for the specifications of one file; their journals are shown when one of them fails. */
import { inject, onTestFailed } from 'vitest'
import { createNspawnLab, type NspawnLab, type NspawnLabOptions } from './nspawn-lab.ts'

export interface StartOptions extends Pick<NspawnLabOptions, 'hosts' | 'nat' | 'machineId'> {
  /** What they have of ours; default: the package. */
  readonly have?: 'nothing' | 'previous' | 'package'
}

/** Take it down after the tests. What fails to start leaves nothing. */
export async function startedHosts({ have = 'package', ...options }: StartOptions): Promise<NspawnLab> {
  const { root, nspawn, installed, previousInstalled } = inject('nspawn')
  const ours = { nothing: [], previous: [previousInstalled], package: [installed] }[have]
  return createNspawnLab({ ...options, nspawn, layers: [...ours, root] })
}

/** To be called in a test: if it fails, what the hosts' programs last said is printed. */
export function showHostsOnFailure(lab: NspawnLab, lines = 40): void {
  onTestFailed(async () => {
    for (const host of lab.hosts) {
      const journal = `journalctl --no-pager --no-hostname --lines ${lines} --unit 'overlay-*'`
      const said = await host.try(`systemctl list-units --all --no-legend 'overlay-*'; ${journal}`).catch(String)
      console.error(`${host.name}:\n${typeof said === 'string' ? said : said.stdout}`)
    }
  })
}

/** One line for whoever reads the run: how long what took. */
export function tell(what: string, milliseconds: number): void {
  console.log(`${what}: ${(milliseconds / 1000).toFixed(2)} s`)
}

/** Runs it and tells how long it took; gives that too, in milliseconds. */
export async function timed<T>(what: string, action: () => Promise<T>): Promise<{ value: T; took: number }> {
  const begun = performance.now()
  const value = await action()
  const took = performance.now() - begun
  tell(what, took)
  return { value, took }
}
