/** How programs that make labs end early. */
import { readdirSync, readFileSync } from 'node:fs'
import { endAll, identityOf, type ProcessIdentity } from './process-identity.ts'

/** By the shell's custom, 128 and the signal's number (signal(7)). */
const codes = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * From now on these signals end this process by `exit`, which takes its labs
 * down; by default they end it without, and daemons and namespaces stay.
 */
export function exitOnSignals(): void {
  for (const [signal, code] of Object.entries(codes))
    process.on(signal, () => {
      // An `ip` that is at work would make namespaces after the others are gone.
      endAll(children())
      process.exit(code)
    })
}

/** Of every thread of this process (proc(5), /proc/pid/task/tid/children). */
function children(): readonly ProcessIdentity[] {
  const threads = readdirSync('/proc/self/task')
  const lists = threads.map((thread) => readFileSync(`/proc/self/task/${thread}/children`, 'utf8'))
  return lists.flatMap((list) => list.split(' ').filter(Boolean)).map((pid) => identityOf(Number(pid)))
}
