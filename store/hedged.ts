/** One call at several members, one after the other, until one answers. */
import type { OverlayError } from '../lib/errors.ts'
import { isRefusal, refusal } from './failures.ts'
import type { Attempt, Member } from './member.ts'

export interface HedgeOptions {
  /** In the order in which they are to be asked. */
  readonly members: readonly Member[]
  /** So often in all, going round the members, while attempts fail. */
  readonly attempts: number
  readonly onAnswer: (member: Member) => void
  readonly onFailure: (member: Member) => void
  /** What to throw when every attempt has failed. */
  readonly unavailable: (errors: readonly unknown[]) => OverlayError
}

/**
 * Begins with the first member; the next one joins in when that is slow, or takes
 * its place when it fails. The first answer counts, be it a refusal.
 * @throws OverlayError
 */
export async function hedged<T>(run: Attempt<T>, options: HedgeOptions): Promise<T> {
  const { members, attempts, onAnswer, onFailure, unavailable } = options
  const since = performance.now()
  const over = new AbortController()
  const errors: unknown[] = []
  const running = new Set<Member>()
  let begun = 0
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<T>((resolve, reject) => {
      const begin = () => {
        const member = members[begun++ % members.length] as Member
        clearTimeout(timer)
        if (begun < members.length) timer = setTimeout(begin, member.pulse.hedge())
        running.add(member)
        const answered = (answer: T) => {
          onAnswer(member)
          running.delete(member)
          for (const slower of running) slower.suspect()
          resolve(answer)
        }
        const failed = (error: unknown) => {
          if (over.signal.aborted) return
          if (isRefusal(error)) return reject(refusal(error))
          onFailure(member)
          running.delete(member)
          errors.push(error)
          const isLate = performance.now() - since >= member.pulse.patience()
          if (begun < attempts && !isLate) begin()
          else if (errors.length === begun) reject(unavailable(errors))
        }
        member.attend(run, { since, over: over.signal }).then(answered, failed)
      }
      begin()
    })
  } finally {
    clearTimeout(timer)
    over.abort()
  }
}
