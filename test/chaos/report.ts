/** What a run comes to, in figures. */
import { median, quantile } from '../bench/figure.ts'
import type { PingCount } from '../lab/ping-count.ts'
import type { Violation } from './judge.ts'
import type { Operation } from './operations.ts'

export interface Report {
  readonly seed: number
  readonly boundSeconds: number
  /** From the first fault to the last checkpoint. */
  readonly seconds: number
  readonly operations: readonly Operation[]
  readonly faults: ReadonlyMap<string, number>
  /** Milliseconds until clean, one for each heal. */
  readonly clean: readonly number[]
  readonly pings: PingCount
  /** By daemon: the most descriptors open when all was quiet. */
  readonly descriptors: ReadonlyMap<string, number>
  /** Addresses that were compared with an order. */
  readonly addresses: number
  readonly revision: number
  readonly violations: readonly Violation[]
  /** The logs and the history, if there were violations. */
  readonly kept: string | undefined
}

export function reportText(report: Report): string {
  const { seed, seconds, operations, faults, clean, pings, descriptors, addresses, revision, violations, kept } = report
  const acknowledged = operations
    .filter(({ action, outcome }) => action.do === 'attach' && outcome.is === 'done')
    .map(({ start, end }) => end - start)
  const lines = [
    `seed ${seed}, ${seconds.toFixed(0)} s`,
    `operations   ${countsText(operations)}`,
    `faults       ${listText(faults) || 'none'}`,
    `attach       ${acknowledged.length > 0 ? `median ${median(acknowledged).toFixed(1)} ms, p99 ${quantile(acknowledged, 0.99).toFixed(0)} ms of ${acknowledged.length} acknowledged` : 'none acknowledged'}`,
    `clean after  ${clean.map((each) => `${(each / 1000).toFixed(1)} s`).join(', ') || 'never asked'} (bound ${report.boundSeconds} s)`,
    `addresses    ${addresses} histories, each in an order with one owner at a time; ${revision} revisions of the store watched`,
    `pings        ${pings.sent} sent between a pair that no fault is to concern, ${pings.lost.length} lost`,
    `descriptors  ${listText(descriptors)}`,
    ...violations.flatMap(({ what, operations: concerned }) => [
      `VIOLATION    ${what}`,
      ...concerned.map((line) => `               ${line}`),
    ]),
    violations.length === 0
      ? 'nothing was violated'
      : `${violations.length} violations; seed ${seed}; logs and history: ${kept ?? 'not kept'}`,
  ]
  return `${lines.join('\n')}\n`
}

function countsText(operations: readonly Operation[]): string {
  const kinds = [...new Set(operations.map(({ action }) => action.do))].toSorted()
  const texts = kinds.map((kind) => {
    const outcomes = operations.filter(({ action }) => action.do === kind).map(({ outcome }) => outcome)
    const codes = outcomes.map((outcome) => (outcome.is === 'done' ? 'done' : `${outcome.is} ${outcome.code}`))
    return `${kind} ${listText(countsOf(codes))}`
  })
  return `${operations.length}: ${texts.join('; ')}`
}

function countsOf(all: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1)
  return counts
}

/** By name. */
function listText(counts: ReadonlyMap<string, number>): string {
  const names = [...counts.keys()].toSorted()
  return names.map((name) => `${name} ${counts.get(name)}`).join(', ')
}
