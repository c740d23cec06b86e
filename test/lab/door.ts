/**
 * Doors into a namespace: unix sockets, which have no namespace, that lead to
 * TCP addresses as one reaches them from there. So one process can talk to
 * everybody in a lab.
 */
import { join } from 'node:path'
import type { Netns } from './netns.ts'
import { program } from './program-path.ts'
import { until } from './until.ts'

export interface Door {
  readonly name: string
  /** As one says it in the namespace. */
  readonly host: string
  readonly port: number
}

/**
 * Opens doors for as long as the lab is there.
 * @returns by name what a gRPC client dials: `unix:PATH`.
 */
export async function openDoors(
  into: Netns,
  directory: string,
  doors: readonly Door[],
): Promise<ReadonlyMap<string, string>> {
  const paths = new Map(doors.map(({ name }) => [name, join(directory, `to-${name}.sock`)]))
  const words = doors.map(({ name, host, port }) => `${paths.get(name)}=${host}=${port}`)
  const run = await into.spawn('doors', [process.execPath, program('test/lab/door-program.js'), ...words])
  await until(() => run.logTail(Infinity).match(/^open /gm)?.length === doors.length, {
    what: `the doors into ${into.name} to be open`,
    hopeless: () => run.exit && 'it ended',
    detail: () => run.logTail(),
  })
  return new Map([...paths].map(([name, path]) => [name, `unix:${path}`]))
}
