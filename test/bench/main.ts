/** npm run bench [-- [--json] [NAME…]]: the figures that the project holds itself to, on this machine. */

import { exitOnSignals } from '../lab/interrupt.ts'
import { agentStart } from './agent-start.ts'
import { attach } from './attach.ts'
import { away } from './away.ts'
import { claims } from './claims.ts'
import { type Benchmark, type Figure, figureJson, figureText, isFailure, isWithinBounds } from './figure.ts'
import { firstPing } from './first-ping.ts'
import { idle } from './idle.ts'
import { largeNetwork } from './large-network.ts'
import { leaks } from './leaks.ts'
import { listing } from './listing.ts'
import { throughput } from './throughput.ts'

const all: readonly Benchmark[] = [
  attach,
  claims,
  firstPing,
  agentStart,
  throughput,
  listing,
  largeNetwork,
  idle,
  away,
  leaks,
]

const args = process.argv.slice(2)
const json = args.includes('--json')
const names = args.filter((arg) => arg !== '--json')
const unknown = names.filter((name) => !all.some((bench) => bench.name === name))

if (unknown.length > 0) {
  const known = all.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`).join('\n')
  process.stderr.write(`bench: there is no ${unknown.join(', ')}. There are:\n${known}\n`)
  process.exitCode = 2
} else {
  exitOnSignals()
  const figures: Figure[] = []
  for (const bench of all.filter(({ name }) => names.length === 0 || names.includes(name))) {
    if (!json) process.stdout.write(`${bench.name}: ${bench.about}\n`)
    const found = await bench.run()
    for (const figure of found) process.stdout.write(`${json ? figureJson(figure) : figureText(figure)}\n`)
    figures.push(...found)
  }
  // Speed depends on how busy the machine is: only what must hold everywhere fails.
  process.exitCode = figures.some(isFailure) ? 1 : 0
  const missed = figures.filter((figure) => !isWithinBounds(figure)).length
  if (!json) process.stdout.write(`${figures.length} figures, ${missed} outside their bounds\n`)
}
