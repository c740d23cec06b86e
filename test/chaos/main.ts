/** npm run chaos [-- --seed S --minutes M]: faults at random, and whether anything is lost. */
import { parseArgs } from 'node:util'
import { exitOnSignals } from '../lab/interrupt.ts'
import { reportText } from './report.ts'
import { runChaos } from './run.ts'

const usage =
  'usage: npm run chaos -- [--seed S] [--minutes M] [--bound SECONDS]\ndefaults: a seed of chance, 1 minute, clean 10 s after each heal\n'

const ending = new AbortController()
// The lab is taken down in order; a second Ctrl-C ends this process, and the lab with it.
const end = () => {
  ending.abort()
  exitOnSignals()
}
process.once('SIGINT', end).once('SIGTERM', end)

const options = readOptions()
if (options === undefined) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const report = await runChaos({ ...options, say, signal: ending.signal })
  process.stdout.write(reportText(report))
  if (ending.signal.aborted) say('ended early, without the last checks')
  process.exitCode = report.violations.length > 0 ? 1 : 0
}

function readOptions(): { seed: number; seconds: number; boundSeconds: number } | undefined {
  try {
    const { values } = parseArgs({
      options: { seed: { type: 'string' }, minutes: { type: 'string' }, bound: { type: 'string' } },
    })
    const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed)
    const seconds = Number(values.minutes ?? '1') * 60
    const boundSeconds = Number(values.bound ?? '10')
    return Number.isInteger(seed) && seconds > 0 && boundSeconds > 0 ? { seed, seconds, boundSeconds } : undefined
  } catch {
    return undefined
  }
}
