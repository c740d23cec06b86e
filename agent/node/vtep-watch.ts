/** Follows the host's underlay: the VTEP address, and the MTU of the interface that has it. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { type Backoff, delayBefore, pause } from '../../lib/retry.ts'
import { createDue } from './due.ts'
import type { Vtep, VtepReview } from './vtep.ts'

/** How often the host is looked at when nobody tells of a change, in milliseconds. */
const lookInterval = 60_000
/** A change counts when it has lasted so long, in milliseconds: an address that is moved is gone for a moment. */
const steadyTime = 1_000
/** So long after a change others may follow, in milliseconds: who changes things all the time shall not keep this busy. */
const settleTime = 100
const backoff: Backoff = { first: 500, most: 15_000 }

export interface VtepWatchOptions {
  /** What the agent works with. */
  readonly current: () => Vtep
  /** What it should work with now. @throws OverlayError */
  readonly review: () => VtepReview
  /** Another address is to be changed to: called once, before the first attempt. */
  readonly onOtherAddress: () => void
  /** Changes it. @throws OverlayError: it is tried again */
  readonly move: (vtep: Vtep) => Promise<void>
  readonly signal: AbortSignal
  readonly log: Logger
  /** In place of `steadyTime`, in milliseconds. */
  readonly steady?: number
}

export interface VtepWatch {
  /** The host's links, addresses or routes may have changed. */
  readonly changed: () => void
  /** What is amiss, for people. */
  readonly problem: () => string | undefined
}

/** Watches until the signal aborts. */
export function watchVtep(options: VtepWatchOptions): VtepWatch {
  const { current, review, onOtherAddress, move, signal, log, steady = steadyTime } = options
  const due = createDue(signal)
  let problem: string | undefined
  /** What could not be changed to yet: it has lasted long enough. */
  let failed: Vtep | undefined

  const tell = (now: string | undefined) => {
    if (now === problem) return
    if (now === undefined) log.info('the VTEP address is in order again')
    else log.warn({ problem: now }, 'the VTEP address is not in order')
    problem = now
  }
  /** @returns whether there is nothing left to do. */
  const attend = async (): Promise<boolean> => {
    const seen = review()
    if (isSame(seen.vtep, current())) {
      failed = undefined
      tell(seen.problem)
      return true
    }
    const isFirst = !failed || !isSame(failed, seen.vtep)
    if (isFirst) await pause(steady, signal)
    if (signal.aborted || !isSame(review().vtep, seen.vtep)) return false
    const before = current()
    if (isFirst && seen.vtep.address !== before.address) onOtherAddress()
    failed = seen.vtep
    await move(seen.vtep)
    failed = undefined
    log.info({ before, now: seen.vtep }, 'the VTEP address, or its MTU, has changed')
    return false
  }
  const run = async () => {
    for (let failures = 0; !signal.aborted; ) {
      due.begin()
      try {
        const isDone = await attend()
        failures = 0
        if (isDone) await due.wait(lookInterval)
      } catch (error) {
        tell(OverlayError.from(error).message)
        await due.wait(delayBefore(failures++, backoff))
      }
      await pause(settleTime, signal)
    }
  }
  run().catch((error: unknown) => log.error({ err: error }, 'the VTEP address is watched no more'))
  return { changed: due.note, problem: () => problem }
}

function isSame(a: Vtep, b: Vtep): boolean {
  return a.address === b.address && a.mtu === b.mtu
}
