/** npm run fuzz [-- --seed S --requests N --only NAME PHASE…]: a cluster, and all that should not be done to it. */
import { exitOnSignals } from '../lab/interrupt.ts'
import { type FuzzArguments, readArguments } from './arguments.ts'
import { fuzz } from './fuzz.ts'
import { phases } from './phases.ts'

const options = readOptions()
if (options) await run(options)
else process.exitCode = 2

function readOptions(): FuzzArguments | undefined {
  try {
    return readArguments(process.argv.slice(2))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const usage = `[--seed N] [--requests N] [--only NAME] [PHASE…], the phases being ${phases.join(', ')}`
    process.stderr.write(`fuzz: ${why}\nfuzz: ${usage}\n`)
    return undefined
  }
}

async function run(chosen: FuzzArguments): Promise<void> {
  exitOnSignals()
  const { seed, requests } = chosen
  process.stdout.write(`seed ${seed}, ${requests} requests per RPC\n`)
  const problems = await fuzz({
    ...chosen,
    onSaid: ({ kind, text }) => process.stdout.write(`${kind === 'problem' ? 'PROBLEM ' : '  '}${text}\n`),
  })
  process.stdout.write(`seed ${seed}: ${problems.length} problems\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
