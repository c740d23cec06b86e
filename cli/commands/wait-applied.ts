/** --wait: until every live agent has a network's record applied. */
import { OverlayError } from '../../lib/errors.ts'
import { NetworksService } from '../../proto/index.ts'
import { CallError } from '../connect.ts'
import type { Context } from '../context.ts'

/** Why --wait is wrong beside --dry-run. */
export const nothingToWaitFor = '--wait: with --dry-run there is nothing to wait for: leave one of them out'

export interface Written {
  readonly name: string
  /** Of the record, in the store. */
  readonly revision: number
  /** What is true already, for people: `exists`, `is changed`. */
  readonly is: string
  /** When the change was asked for, by performance.now(): --timeout is for both together. */
  readonly since: number
}

/** @throws OverlayError that says what is true already, and what is missing. */
export async function waitApplied(context: Context, { name, revision, is, since }: Written): Promise<void> {
  const timeout = Math.max(1, Math.round(context.globals.timeout - (performance.now() - since)))
  try {
    await context.controller.ask(
      (client, call) => client.service(NetworksService).waitApplied({ network: name, revision }, call),
      { timeout },
    )
  } catch (error) {
    // The controller's own answer says both already.
    const told = error instanceof CallError && error.reached === 'answered' && error.code === 'deadline'
    if (told || context.signals.interrupted.aborted) throw error
    const failure = OverlayError.from(error)
    throw failure.saying(`network ${name} ${is}, but whether it is applied is not known: ${failure.message}`)
  }
}
