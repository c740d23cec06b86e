/** One step of the demo, as the reader sees it. */
import { Listr } from 'listr2'

/**
 * Shows the title while `action` runs, then how it ended, then what it gives to
 * show. On a terminal the title spins; elsewhere it is plain lines.
 * @throws what `action` threw.
 */
export async function step<T>(title: string, action: () => Promise<T>, show?: (result: T) => string): Promise<T> {
  let outcome: { result: T } | { error: unknown } | undefined
  const task = async () => {
    try {
      outcome = { result: await action() }
    } catch (error) {
      outcome = { error }
      // The whole text follows at the end of the demo.
      throw new Error('see below', { cause: error })
    }
  }
  await new Listr([{ title, task }], { registerSignalListeners: false, exitOnError: true }).run().catch(() => undefined)
  if (!outcome || 'error' in outcome) throw outcome?.error
  if (show) process.stdout.write(`\n${indent(show(outcome.result))}\n\n`)
  return outcome.result
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => (line ? `    ${line}` : line))
    .join('\n')
}
