/** Specifications of the whole product, each within one machine: proof of a second kernel. */
import { join } from 'node:path'
import { packageRoot } from '../../../lib/version.ts'
import type { Machine } from '../machine.ts'

export interface FileResult {
  /** Relative to the checkout. */
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Of our time, in seconds. */
  readonly seconds: number
  /** What vitest said; empty if all passed. */
  readonly output: string
}

/** Milliseconds for one file. */
const timeout = 3_600_000

/** Runs all files, each machine taking the next one when it is done with its last. */
export async function runFiles(
  machines: readonly Machine[],
  files: readonly string[],
  told: (result: FileResult) => void,
): Promise<readonly FileResult[]> {
  const queue = [...files]
  const results: FileResult[] = []
  const work = async (machine: Machine) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(machine, file)
      results.push(result)
      told(result)
    }
  }
  await Promise.all(machines.map(work))
  return results
}

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly success: boolean
}

async function runFile(machine: Machine, file: string): Promise<FileResult> {
  const begun = performance.now()
  const report = '/tmp/report.json'
  const vitest = join(packageRoot, 'node_modules/.bin/vitest')
  const words = `run --project e2e --project parts --reporter=default --reporter=json --outputFile.json=${report}`
  const script = `cd '${packageRoot}' && rm -f ${report}; '${vitest}' ${words} '${file}' 2>&1; cat ${report} >&2`
  const { stdout, stderr } = await machine.try(script, { timeout })
  const { numPassedTests, numFailedTests, numPendingTests, success } = parsed(stderr)
  return {
    file,
    passed: numPassedTests,
    failed: numFailedTests,
    skipped: numPendingTests,
    seconds: (performance.now() - begun) / 1_000,
    output: success ? '' : stdout,
  }
}

/** Without a report nothing has passed. */
function parsed(text: string): Report {
  try {
    return JSON.parse(text) as Report
  } catch {
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, success: false }
  }
}
