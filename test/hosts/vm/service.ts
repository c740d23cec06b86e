/** A daemon on a machine that has no init: started, looked at, ended. */
import { until } from '../../lab/until.ts'
import type { Machine } from '../machine.ts'

export interface Service {
  readonly name: string
  /** Starts it, and waits until it is ready. @throws Error with the end of its log. */
  start(): Promise<void>
  /** SIGTERM, or another signal, and waits for the end. */
  stop(signal?: 'TERM' | 'KILL'): Promise<void>
}

export interface ServiceSpec {
  readonly machine: Machine
  readonly name: string
  readonly command: readonly string[]
  /** Whether it serves; may throw to say why not. */
  readonly ready: () => Promise<boolean>
}

/** Milliseconds: machines are emulated. */
const deadline = 600_000
const every = 500

export function createService({ machine, name, command, ready }: ServiceSpec): Service {
  const what = `${name} on ${machine.name}`
  // The log outlives a boot, the pid does not.
  const [log, pid] = [`/var/lib/overlay/${name}.log`, `/run/${name}.pid`]
  const runs = async () => (await machine.try(`kill -0 $(cat ${pid})`)).exitCode === 0
  return {
    name,
    async start() {
      await machine.exec(['sh', '-c', `setsid "$@" >>${log} 2>&1 </dev/null & echo $! >${pid}`, name, ...command])
      try {
        await until(ready, { what: `${what}: to be ready`, deadline, every })
      } catch (error) {
        const said = await machine.exec(`tail -n 20 ${log}`)
        throw new Error(`${error instanceof Error ? error.message : String(error)}\n${log}:\n${said}`, { cause: error })
      }
    },
    async stop(signal = 'TERM') {
      await machine.exec(`kill -${signal} $(cat ${pid})`)
      await until(async () => !(await runs()), { what: `${what}: to end after SIG${signal}`, deadline, every })
    },
  }
}
