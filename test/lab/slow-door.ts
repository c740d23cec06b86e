/** A way to a server on which every answer comes late. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Netns } from './netns.ts'
import { program } from './program-path.ts'
import { until } from './until.ts'

export interface SlowDoor {
  /** In the place of the server's. */
  readonly url: string
  /** From now on answers come so many milliseconds late. */
  delay(milliseconds: number): void
}

/** Opens it in the namespace, on another port of the server's address, for as long as the lab is there. */
export async function openSlowDoor(
  netns: Netns,
  directory: string,
  { url, port }: { readonly url: string; readonly port: number },
): Promise<SlowDoor> {
  const { hostname, port: serverPort } = new URL(url)
  const file = join(directory, `delay-${port}`)
  const delay = (milliseconds: number) => writeFileSync(file, String(milliseconds))
  delay(0)
  const words = [file, hostname, String(port), hostname, serverPort]
  const run = await netns.spawn(`slow-door-${port}`, [
    process.execPath,
    program('test/lab/slow-door-program.js'),
    ...words,
  ])
  await until(() => run.logTail(1) === 'open', {
    what: `the slow door in ${netns.name} to be open`,
    hopeless: () => run.exit && 'it ended',
    detail: () => run.logTail(),
  })
  return { url: `http://${hostname}:${port}`, delay }
}
