/** One member of the etcd cluster: asked for as long as it shows life. */
import { firstOf } from '../lib/signals.ts'
import { type CallOptions, Connection, NotSentError, SilentError } from './connection.ts'
import { type RangeRequest, range } from './etcd-api.ts'
import { isRefusal } from './failures.ts'
import { Pulse, type PulseOptions } from './pulse.ts'

/** One attempt at a call: sends it, and gives the answer. */
export type Attempt<T> = (member: Member, options: CallOptions) => Promise<T>

/** Of the leader, as the members of one cluster have named it. 0: it is not known yet. */
export interface Term {
  highest: number
}

export interface AttendOptions {
  /** When the caller began to wait, by `performance.now`: the member is silent since then at most. */
  readonly since: number
  /** Ends the attempt: its answer is of no interest any more. */
  readonly over?: AbortSignal
  /** A change of leaders ends it: what was asked of the old one may be lost with it. */
  readonly untilElection?: boolean
}

/**
 * What is read to see whether a member is there: linearizable, so that it speaks
 * for a majority, and small. Where etcd has users it has to be a key that each
 * of them may read.
 */
export const knockAt = (path: string): RangeRequest => ({ key: Buffer.from(path), count_only: true })

export interface MemberOptions extends PulseOptions {
  /** See knockAt. */
  readonly knock: RangeRequest
}

export class Member {
  readonly url: string
  /** All but watches, which starve behind big answers on a shared connection. */
  readonly calls: Connection
  readonly watches: Connection
  readonly pulse: Pulse
  readonly #longest: number
  readonly #connect: () => Connection
  readonly #request: RangeRequest
  /** It is just being asked whether it is there. */
  #isKnocked = false
  readonly #term: Term

  constructor(url: string, connect: () => Connection, term: Term, options: MemberOptions) {
    this.url = url
    this.#connect = connect
    this.calls = connect()
    this.watches = connect()
    this.pulse = new Pulse(options)
    this.#term = term
    this.#longest = options.longest
    this.#request = options.knock
  }

  /** A connection for one big answer, beside which others would starve. To be closed by the caller. */
  connectApart(): Connection {
    return this.#connect()
  }

  /**
   * Runs one attempt until the member has been silent for longer than its
   * answers take. Of one that is slow a sign is asked for meanwhile.
   * @throws SilentError when it was silent after the request was sent; else as `run`.
   */
  async attend<T>(run: Attempt<T>, { since, over, untilElection = false }: AttendOptions): Promise<T> {
    const { pulse } = this
    const ended = new AbortController()
    const term = this.#term.highest
    let sentAt = since
    let isSent = false
    let timer: NodeJS.Timeout | undefined
    // That there is a connection is a sign of life, too.
    const silence = () => performance.now() - Math.max(sentAt, pulse.heardAt)
    const isLost = () =>
      silence() >= pulse.patience() ||
      performance.now() - since >= this.#longest ||
      (untilElection && term > 0 && this.#term.highest > term)
    const look = () => {
      if (ended.signal.aborted) return
      if (isLost()) return ended.abort(new SilentError('it did not answer in time'))
      if (isSent && silence() >= pulse.patience() / 2) void this.#knock()
      wait()
    }
    const wait = () => {
      const next = Math.max(1, Math.min(pulse.patience() - silence(), pulse.patience() / 2))
      // What has come by now is read first: it may have been this process that was busy.
      timer = setTimeout(() => setImmediate(look), next)
    }
    wait()
    try {
      const answer = await run(this, {
        ...this.#times(),
        signal: over ? firstOf(over, ended.signal) : ended.signal,
        onSent: () => {
          sentAt = performance.now()
          isSent = true
        },
      })
      this.#heard(sentAt, answer)
      return answer
    } catch (error) {
      if (isRefusal(error)) pulse.heard(sentAt)
      const { reason } = ended.signal
      throw reason instanceof SilentError && !(error instanceof NotSentError) ? reason : error
    } finally {
      clearTimeout(timer)
      ended.abort()
    }
  }

  close(): void {
    this.calls.close()
    this.watches.close()
  }

  /** Another one was quicker. If this one says nothing at all, its watches go elsewhere, too. */
  suspect(): void {
    void this.#knock().then((isThere) => isThere || this.watches.reconnect())
  }

  /** Whether it answers in its time. Its pulse tells, too. */
  async #knock(): Promise<boolean> {
    if (this.#isKnocked) return true
    this.#isKnocked = true
    const sentAt = performance.now()
    const { connectBy } = this.#times()
    try {
      this.#heard(sentAt, await this.calls.call(range, this.#request, { connectBy, answerBy: connectBy }))
      return true
    } catch (error) {
      if (isRefusal(error)) this.pulse.heard(sentAt)
      return isRefusal(error)
    } finally {
      this.#isKnocked = false
    }
  }

  #times() {
    const now = Date.now()
    return { connectBy: now + this.pulse.patience(), answerBy: now + this.#longest }
  }

  #heard(sentAt: number, answer: unknown): void {
    this.pulse.heard(sentAt)
    this.#term.highest = Math.max(this.#term.highest, termOf(answer))
  }
}

/** 0 for an answer that does not tell. */
function termOf(answer: unknown): number {
  const { header } = answer as { readonly header?: { readonly raft_term?: string } }
  return Number(header?.raft_term ?? 0)
}
