/** Long work in turns: others run in between. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds of work until others get a turn. */
const longestTurn = 5

/** To be called between two pieces of the work; it waits only when the turn is over. */
export function takeTurns(): () => Promise<void> {
  let started = performance.now()
  return async () => {
    if (performance.now() - started <= longestTurn) return
    await nextTurn()
    started = performance.now()
  }
}
