/** What `overlayctl events` tells while a test does something. */
import { readFileSync } from 'node:fs'
import { Event } from '../../../proto/index.ts'
import type { Lab } from '../../lab/lab.ts'
import { program } from '../../lab/program-path.ts'
import { until } from '../../lab/until.ts'

export interface WatchedEvents {
  /** All so far, in order. */
  all(): readonly Event[]
}

/** Resolves when events are told; `network` is changed for that. It ends with the lab. */
export async function watchEvents(lab: Lab, network: string): Promise<WatchedEvents> {
  const controllers = lab.controllers.map(({ address }) => address).join()
  const command = [process.execPath, program('overlayctl.cjs'), '--controller', controllers, '-o', 'json', 'events']
  const run = await lab.ctl.spawn('events', command)
  const all = () =>
    readFileSync(run.log, 'utf8')
      .split('\n')
      // The last line may not be whole yet.
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => Event.fromJson(JSON.parse(line)))
  let changes = 0
  await until(
    async () => {
      await lab.overlayctlJson('update', network, '--label', `watched=${changes++}`)
      return all().length > 0
    },
    { what: 'events to be told', every: 200, detail: () => run.logTail() },
  )
  return { all }
}
