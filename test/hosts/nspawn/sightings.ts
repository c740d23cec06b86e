/** Whether a text is to be seen on command lines, as anybody on the machine may look at them. */
import { readdirSync, readFileSync } from 'node:fs'
import { pause } from '../../../lib/retry.ts'

export interface Sightings {
  /** The command lines (arguments apart by spaces) that had it; once each. */
  stop(): Promise<readonly string[]>
}

/** A program has its arguments before it can hide them: those of one that is younger than this do not count. */
const graceMs = 1_000

/** Looks at the command lines of all processes, over and over, until it is stopped. */
export function sightings(text: string): Sightings {
  const found = new Set<string>()
  const since = new Map<string, number>()
  const stop = new AbortController()
  const look = async () => {
    while (!stop.signal.aborted) {
      for (const [pid, line] of commandLines()) {
        if (!line.includes(text)) continue
        const first = since.get(pid) ?? performance.now()
        since.set(pid, first)
        if (performance.now() - first > graceMs) found.add(line.replaceAll('\0', ' ').replaceAll(text, '***'))
      }
      await pause(50)
    }
  }
  const looking = look()
  return {
    async stop() {
      stop.abort()
      await looking
      return [...found]
    },
  }
}

function commandLines(): readonly (readonly [pid: string, line: string])[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [[pid, readFileSync(`/proc/${pid}/cmdline`, 'utf8')] as const]
      } catch {
        // It has ended.
        return []
      }
    })
}
