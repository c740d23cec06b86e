/** Work that is done whole or not at all. */
import type { Context } from '../context.ts'

/** Notes how to take back what was just made. */
export type Undo = (takeBack: () => Promise<unknown>) => void

/**
 * Does the work. When it fails, or the user interrupts it, what it has noted is
 * taken back, last first; what cannot be is told.
 * @throws what the work threw.
 */
export async function allOrNothing<T>(context: Context, work: (undo: Undo) => Promise<T>): Promise<T> {
  const made: (() => Promise<unknown>)[] = []
  try {
    const result = await work((takeBack) => void made.push(takeBack))
    context.signals.interrupted.throwIfAborted()
    return result
  } catch (error) {
    if (made.length > 0) context.note('taking back what was made so far')
    for (const takeBack of made.toReversed()) await takeBack().catch((fault: unknown) => context.report(fault))
    throw error
  }
}
