/** What `npm run fuzz` is told to do. */
import { parseArgs } from 'node:util'
import { type Phase, phases } from './phases.ts'
import { allRpcs } from './surface.ts'

export interface FuzzArguments {
  readonly seed: number
  readonly requests: number
  readonly phases: readonly Phase[]
  readonly only: string
}

/** @throws Error with what is wrong with them. */
export function readArguments(args: readonly string[]): FuzzArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { seed: { type: 'string' }, requests: { type: 'string' }, only: { type: 'string' } },
    allowPositionals: true,
  })
  const { only = '' } = values
  const unknown = positionals.filter((name) => !phases.includes(name as Phase))
  if (unknown.length > 0) throw new Error(`there is no phase ${unknown.join(', ')}`)
  // The other phases know no RPCs.
  const wanted = positionals.length > 0 ? positionals : only ? ['requests'] : phases
  const chosen = phases.filter((phase) => wanted.includes(phase))
  if (only && !chosen.includes('requests')) throw new Error('--only chooses among the RPCs of the phase requests')
  if (!allRpcs().some(({ name }) => name.includes(only))) throw new Error(`no RPC has ${only} in its name`)
  return {
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber('--seed', values.seed, 0),
    requests: wholeNumber('--requests', values.requests ?? '1000', 1),
    phases: chosen,
    only,
  }
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text)
  if (text !== '' && Number.isSafeInteger(value) && value >= least) return value
  throw new Error(`${option} is a whole number from ${least} on, not ${text}`)
}
