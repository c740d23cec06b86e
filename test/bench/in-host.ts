/** Runs parts of a benchmark inside a host's namespace, where etcd can be reached. */
import type { Netns } from '../lab/netns.ts'
import { program } from '../lab/program-path.ts'

/**
 * Runs a compiled worker of this folder in the namespace; its one argument is
 * `input` as JSON, its standard output the answer.
 * @throws Error with what the worker says.
 */
export async function runWorker<T>(host: Netns, worker: string, input: object): Promise<T> {
  const command = [process.execPath, program(`test/bench/${worker}.js`), JSON.stringify(input)]
  return JSON.parse(await host.exec(command, { timeout: 300_000 })) as T
}

/** In the worker: what `runWorker` was given. */
export function workerInput(): unknown {
  return JSON.parse(process.argv[2] ?? '{}')
}

export function workerOutput(output: unknown): void {
  process.stdout.write(JSON.stringify(output))
}
