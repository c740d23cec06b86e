/** npm run fuzz [-- --seed S --requests N --only NAME PHASE…]: a cluster, and all that should not be done to it. */
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.ts'
import { type Phase, phases } from './phases.ts'

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' }, requests: { type: 'string' }, only: { type: 'string' } },
  allowPositionals: true,
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const requests = Number(values.requests ?? 1_000)
const chosen = positionals.length === 0 ? phases : phases.filter((phase) => positionals.includes(phase))
const unknown = positionals.filter((name) => !phases.includes(name as Phase))

if (!Number.isInteger(seed) || !Number.isInteger(requests) || requests < 1 || unknown.length > 0) {
  process.stderr.write(
    `fuzz: [--seed N] [--requests N] [--only NAME] [PHASE…], the phases being ${phases.join(', ')}\n`,
  )
  process.exitCode = 2
} else {
  process.stdout.write(`seed ${seed}, ${requests} requests per RPC\n`)
  const problems = await fuzz({
    seed,
    requests,
    phases: chosen,
    only: values.only ?? '',
    onSaid: ({ kind, text }) => process.stdout.write(`${kind === 'problem' ? 'PROBLEM ' : '  '}${text}\n`),
  })
  process.stdout.write(`seed ${seed}: ${problems.length} problems\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
