/** Ends a run with one plain line, `N passed, N failed, N skipped`, for whoever reads the log by machine. */
import type { Reporter, TestModule, TestRunEndReason, TestSuite } from 'vitest/node'

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[], reason: TestRunEndReason): void {
    process.stdout.write(`${tally(modules, unhandled, reason)}\n`)
  }
}

/** What failed outside of a test counts as one that failed: never does a run that failed have none. */
export function tally(modules: readonly TestModule[], unhandled: readonly unknown[], reason: TestRunEndReason): string {
  const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
  for (const one of modules) for (const test of one.children.allTests()) count[test.result().state]++
  // A file that could not be loaded, or a hook that failed: the tests are skipped, or not even known.
  const around = modules.flatMap((one): (TestModule | TestSuite)[] => [one, ...one.children.allSuites()])
  const failed = count.failed + around.filter((one) => one.errors().length > 0).length + unhandled.length
  const atLeast = reason === 'passed' ? 0 : 1
  return `${count.passed} passed, ${Math.max(failed, atLeast)} failed, ${count.skipped + count.pending} skipped`
}
