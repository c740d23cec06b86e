/** The controllers, which stand for each other: which of them is asked. */
import { OverlayError } from '../lib/errors.ts'
import { delayBefore, pause } from '../lib/retry.ts'
import { CallError, connectTo, type OnePeer, type Peer } from './connect.ts'
import { otherAddress } from './connection-faults.ts'
import type { Globals } from './globals.ts'

/**
 * Milliseconds that a controller has to say that it is there, when there is
 * another one to ask; less with a shorter --timeout.
 */
const longestPatience = 1_000

/** Milliseconds: streams that end sooner, one after another, are not followed by the next at once. */
const shortStream = 1_000
const betweenShort = { first: 50, most: 2_000 }

interface Candidate {
  readonly at: number
  readonly peer: OnePeer
  /** It was reached: from now on it is asked first. */
  readonly choose: () => void
}

interface Skipped {
  readonly address: string
  readonly why: string
}

/** How a stream ended that nobody interrupted. */
interface Ended {
  /** Whose it was. */
  readonly at: number
  readonly why: string
  /** It broke off. */
  readonly error?: CallError
}

/** `connect`: how; by default with the TLS files of `globals`. */
export function connectControllers(
  globals: Globals,
  interrupted: AbortSignal,
  connect = (address: string): OnePeer => connectTo(address, globals, interrupted),
): Peer {
  const [first, ...others] = globals.controllers.map((address) => connect(address))
  if (!first) throw new OverlayError('internal', 'there is no controller to connect to')
  if (others.length === 0) return first
  return firstThatAnswers([first, ...others], Math.min(longestPatience, globals.timeout), interrupted)
}

/**
 * Asks the one that answered last, or else the first, and goes on to the next
 * when there is no connection to it or, being frozen, it says nothing on it. A
 * call is sent to one of them only, and never twice: what became of it is not
 * known where the answer is missing. The last one left has all the time. A
 * stream, which changes nothing, goes on at the next one when it ends.
 */
function firstThatAnswers(peers: readonly OnePeer[], patience: number, interrupted: AbortSignal): Peer {
  const all = peers.map(({ address }) => address).join(',')
  let chosen: number | undefined

  /** The peers in their turn, or all but one, from the next on; to be left at the first that was reached. */
  async function* inTurn(skipped: Skipped[], but?: number): AsyncGenerator<Candidate> {
    const start = but === undefined ? (chosen ?? 0) : but + 1
    const count = but === undefined ? peers.length : peers.length - 1
    for (let n = 0; n < count; n++) {
      const at = (start + n) % peers.length
      const peer = peers[at] as OnePeer
      const isLastLeft = but === undefined && n === count - 1
      if (!isLastLeft && !(await peer.answers(patience)))
        skipped.push({ address: peer.address, why: `no answer in ${patience / 1000} s` })
      else yield { at, peer, choose: () => void (chosen = at) }
    }
  }

  /** Notes that the peer was never asked. @throws any other error, with the addresses that were passed over. */
  function skip({ peer, choose }: Candidate, thrown: unknown, skipped: Skipped[]): void {
    if (!(thrown instanceof CallError)) throw thrown
    if (thrown.reached === 'never') return void skipped.push({ address: peer.address, why: thrown.why })
    if (thrown.reached === 'answered') choose()
    throw thrown.reached === 'answered' || skipped.length === 0
      ? thrown
      : besideOthers(thrown, 'before that, others could not be reached', skipped)
  }

  /** The stream of the first that is reached, and how it ended; undefined when none is. */
  async function* followFirst<T>(
    stream: (peer: OnePeer) => AsyncIterable<T>,
    skipped: Skipped[],
    but?: number,
  ): AsyncGenerator<T, Ended | undefined> {
    for await (const candidate of inTurn(skipped, but)) {
      const { at, peer, choose } = candidate
      const controller = `the controller at ${peer.address}`
      try {
        for await (const item of stream(peer)) {
          choose()
          yield item
        }
        choose()
        return { at, why: `${controller} ended the stream` }
      } catch (error) {
        if (error instanceof CallError && error.reached === 'perhaps')
          return { at, why: `the connection to ${controller} broke (${error.why})`, error }
        skip(candidate, error, skipped)
      }
    }
    return undefined
  }

  return {
    kind: 'controller',
    get address() {
      return chosen === undefined ? all : (peers[chosen] as OnePeer).address
    },
    async ask(question, options) {
      const skipped: Skipped[] = []
      for await (const candidate of inTurn(skipped)) {
        try {
          const answer = await candidate.peer.ask(question, options)
          candidate.choose()
          return answer
        } catch (error) {
          skip(candidate, error, skipped)
        }
      }
      throw noneReached(all, skipped)
    },
    async *follow(question, moved) {
      let ended: Ended | undefined
      for (let short = 0; ; ) {
        const skipped: Skipped[] = []
        const before = ended
        const since = performance.now()
        ended = yield* followFirst((peer) => peer.follow(question), skipped, before?.at)
        if (interrupted.aborted) return
        if (ended) moved?.(ended.why)
        else if (!before) throw noneReached(all, skipped)
        else if (before.error) throw besideOthers(before.error, 'no other can be reached', skipped)
        else return
        short = performance.now() - since < shortStream ? short + 1 : 0
        if (short > 1) await pause(delayBefore(short, betweenShort), interrupted)
      }
    },
    reload() {
      for (const peer of peers) peer.reload()
    },
    close() {
      for (const peer of peers) peer.close()
    },
  }
}

function noneReached(all: string, skipped: readonly Skipped[]): CallError {
  const message = `none of the controllers can be reached: ${listed(skipped)}: start overlay-controller on one of these hosts, or ${otherAddress.controller}`
  const fault = { reached: 'never', why: listed(skipped), message } as const
  return new CallError(new OverlayError('unavailable', message), fault, 'controller', all)
}

function besideOthers(error: CallError, what: string, skipped: readonly Skipped[]): CallError {
  const message = `${error.message}; ${what}: ${listed(skipped)}`
  return new CallError(error, { reached: error.reached, why: error.why, message }, error.peer, error.address)
}

function listed(skipped: readonly Skipped[]): string {
  return skipped.map(({ address, why }) => `${address} (${why})`).join(', ')
}
