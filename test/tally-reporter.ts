/** Ends a run with one plain line, `N passed, N failed, N skipped`, for whoever reads the log by machine. */
import type { Reporter, TestModule } from 'vitest/node'

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const one of modules) for (const test of one.children.allTests()) count[test.result().state]++
    // A file that could not even be loaded has no tests to count.
    const failed = count.failed + modules.filter((one) => one.errors().length > 0).length
    process.stdout.write(`${count.passed} passed, ${failed} failed, ${count.skipped + count.pending} skipped\n`)
  }
}
