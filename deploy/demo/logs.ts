/** What the daemons said last. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { tailOf } from '../../test/lab/process.ts'

/** The last lines of every daemon's log below the lab's directory, each under its path. */
export function logTails(directory: string, lines = 5): string {
  return logsBelow(directory)
    .map((path) => `\n${path}:\n${tailOf(path, lines)}\n`)
    .join('')
}

function logsBelow(directory: string): readonly string[] {
  try {
    const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    return names.filter((name) => /(agent|controller-\d+|etcd)\.log$/.test(name)).map((name) => join(directory, name))
  } catch {
    return []
  }
}
