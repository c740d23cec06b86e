/** The memory of daemons that tell it when they are asked. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import type { Daemon } from '../lab/daemon.ts'
import { program } from '../lab/program-path.ts'
import { until } from '../lab/until.ts'

export interface Memory {
  /** Bytes that are in use, once all garbage is collected. */
  readonly used: number
  readonly resident: number
}

const fileOf = ({ log }: Daemon) => `${log}.memory`

/** Starts an agent or a controller so that it tells its memory. */
export function startProbed(daemon: Daemon): Promise<void> {
  const probe = ['--expose-gc', '--import', program('test/bench/memory-probe.js')]
  return daemon.start({
    env: { MEMORY_PROBE: fileOf(daemon) },
    command: ([node = '', ...own]) => [node, ...probe, ...own],
  })
}

/** Of one that was started so. */
export async function memoryOf(daemon: Daemon): Promise<Memory> {
  const file = fileOf(daemon)
  rmSync(file, { force: true })
  process.kill(daemon.pid, 'SIGUSR2')
  await until(() => existsSync(file), { what: `${daemon.name}: to tell its memory` })
  return JSON.parse(readFileSync(file, 'utf8')) as Memory
}
