/** What is kept of a run in which something was violated. */
import { copyFileSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../lab/lab.ts'
import { type Operation, operationText } from './operations.ts'

export interface Evidence {
  readonly lab: Lab
  readonly seed: number
  readonly operations: readonly Operation[]
  /** Faults, a line each. */
  readonly story: readonly string[]
  /** Changes of the store, a line each. */
  readonly store: readonly string[]
  readonly report: string
}

/** Copies all logs, and writes down the history. @returns the directory. */
export function keepEvidence({ lab, seed, operations, story, store, report }: Evidence): string {
  const directory = mkdtempSync(`/tmp/overlay-chaos-${seed}-`)
  for (const log of logsBelow(lab.directory))
    copyFileSync(join(lab.directory, log), join(directory, log.replaceAll('/', '-')))
  const write = (name: string, lines: readonly string[]) =>
    writeFileSync(join(directory, name), `${lines.join('\n')}\n`)
  write('operations.txt', operations.map(operationText))
  write('faults.txt', story)
  write('store.txt', store)
  write('report.txt', [report])
  return directory
}

function logsBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.log') && !name.includes('ping-'),
  )
}
