/** A list of the controller's, again whenever it may have changed. */
import { OverlayError } from '../../lib/errors.ts'
import { pause } from '../../lib/retry.ts'
import { type Event, EventsService } from '../../proto/index.ts'
import type { Context } from '../context.ts'

/** In milliseconds. */
export interface Pace {
  /** Changes that come within this time make one list. */
  readonly settle: number
  /** The list is asked for again after this time, whatever happens; first after `soon`. */
  readonly soon: number
  readonly often: number
}

/** The second list catches what changed before the events were followed. */
const usualPace: Pace = { settle: 250, soon: 1_000, often: 10_000 }

/**
 * Gives the list at once, and again after each event that `concerns` it.
 * Never ends but by an error.
 * @throws OverlayError `unavailable` when the controller ends the stream of
 * events; what the stream or the list is refused with.
 */
export async function* snapshots<T>(
  context: Context,
  list: () => Promise<T>,
  concerns: (event: Event) => boolean,
  { settle, soon, often }: Pace = usualPace,
): AsyncGenerator<T> {
  let stale = new AbortController()
  let wait = soon
  const follow = async (): Promise<never> => {
    const stream = context.controller.follow(
      (client, call) => client.service(EventsService).watch({}, call),
      // As at the start: another controller tells from now on.
      () => {
        wait = soon
        stale.abort()
      },
    )
    for await (const event of stream) if (concerns(event)) stale.abort()
    throw new OverlayError(
      'unavailable',
      `the controller at ${context.controller.address} ended the stream of changes: start again`,
    )
  }
  const ended = follow()
  // Not unhandled while the reader is at work: it is told after that.
  ended.catch(() => undefined)
  try {
    for (;;) {
      stale = new AbortController()
      const most = wait
      wait = often
      yield await Promise.race([list(), ended])
      await Promise.race([pause(most, stale.signal), ended])
      await Promise.race([pause(settle), ended])
    }
  } finally {
    stale.abort()
  }
}
