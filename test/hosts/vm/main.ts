/** npm run test:vm [-- --only story|suite] [FILE…]: whole machines on Debian's own kernel. */
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { packageRoot } from '../../../lib/version.ts'
import { exitOnSignals } from '../../lab/interrupt.ts'
import { createStep } from '../step.ts'
import { bootMachines } from './machines.ts'
import { playStory } from './story.ts'
import { type FileResult, runFiles } from './suite.ts'

const usage = `usage: npm run test:vm -- [--only story|suite] [FILE…]
story: one cluster across three machines. suite: the end-to-end and kernel specifications, or those files of them, within each.
`
/** A machine each for what takes turns on the cores, and enough for the hosts of a specification in each. */
const count = 3
const memory = 1536

const say = (line: string) => process.stdout.write(`${line}\n`)
exitOnSignals()
const options = readOptions()
if (options === undefined) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  const begun = performance.now()
  const failures = await run(options)
  say(`${failures === 0 ? 'all passed' : `${failures} failed`} in ${minutes(performance.now() - begun)}`)
  process.exitCode = failures === 0 ? 0 : 1
}

interface Options {
  readonly story: boolean
  readonly suite: boolean
  readonly files: readonly string[]
}

function readOptions(): Options | undefined {
  try {
    const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true })
    const { only } = values
    if (only !== undefined && only !== 'story' && only !== 'suite') return undefined
    const files = positionals.length > 0 ? positionals : specifications()
    return { story: only !== 'suite', suite: only !== 'story', files }
  } catch {
    return undefined
  }
}

/**
 * The end-to-end specifications of the main job, and those of parts against the
 * real kernel. Not those of test/e2e/contract, of what stores and daemons do in
 * trouble: they would take as long again and ask nothing else of a kernel.
 * Whoever wants them names them.
 */
function specifications(): readonly string[] {
  const all = readdirSync(packageRoot, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/^(node_modules|dist|out|\.git)\//.test(path))
    .filter((path) => path.endsWith('.kernel.spec.ts') || /^test\/e2e\/[^/]+\.spec\.ts$/.test(path))
  return all.toSorted()
}

/** @returns how many steps and files failed. */
async function run({ story, suite, files }: Options): Promise<number> {
  const step = createStep(say)
  await using machines = await step(`${count} machines boot`, () => bootMachines({ count, memory }))
  let failures = 0
  if (story)
    await playStory(machines, step).catch((error: unknown) => {
      failures += 1
      say(error instanceof Error ? (error.stack ?? error.message) : String(error))
    })
  if (suite) failures += (await runFiles(machines.all, files, tell)).filter(({ output }) => output !== '').length
  return failures
}

function tell({ file, passed, failed, skipped, seconds, output }: FileResult): void {
  const counts = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`]
  say(`${output === '' ? '  ok' : 'FAIL'}  ${file}: ${counts.filter(Boolean).join(', ')} (${minutes(seconds * 1_000)})`)
  if (output !== '') say(output)
}

function minutes(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1_000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
