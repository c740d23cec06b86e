/** The controllers, which stand for each other: which of them is asked. */
import { OverlayError } from '../lib/errors.ts'
import { CallError, connectTo, type OnePeer, otherAddress, type Peer } from './connect.ts'
import type { Globals } from './globals.ts'

/**
 * Milliseconds that a controller has to say that it is there, when there is
 * another one to ask; less with a shorter --timeout.
 */
const longestPatience = 1_000

interface Candidate {
  readonly peer: OnePeer
  /** It was reached: from now on it is asked first. */
  readonly choose: () => void
}

interface Skipped {
  readonly address: string
  readonly why: string
}

export function connectControllers(globals: Globals, interrupted: AbortSignal): Peer {
  const [first, ...others] = globals.controllers.map((address) => connectTo(address, globals, interrupted))
  if (!first) throw new OverlayError('internal', 'there is no controller to connect to')
  return others.length === 0 ? first : firstThatAnswers([first, ...others], Math.min(longestPatience, globals.timeout))
}

/**
 * Asks the one that answered last, or else the first, and goes on to the next
 * when there is no connection to it or, being frozen, it says nothing on it. A
 * call is sent to one of them only, and never twice: what became of it is not
 * known where the answer is missing. The last one left has all the time.
 */
function firstThatAnswers(peers: readonly OnePeer[], patience: number): Peer {
  const all = peers.map(({ address }) => address).join(',')
  let chosen: number | undefined

  /** The peers in their turn; to be left at the first that was reached. */
  async function* inTurn(skipped: Skipped[]): AsyncGenerator<Candidate> {
    const start = chosen ?? 0
    for (let n = 0; n < peers.length; n++) {
      const at = (start + n) % peers.length
      const peer = peers[at] as OnePeer
      if (n < peers.length - 1 && !(await peer.answers(patience)))
        skipped.push({ address: peer.address, why: `no answer in ${patience / 1000} s` })
      else yield { peer, choose: () => void (chosen = at) }
    }
  }

  /** Notes that the peer was never asked. @throws any other error, with the addresses that were passed over. */
  function skip({ peer, choose }: Candidate, thrown: unknown, skipped: Skipped[]): void {
    if (!(thrown instanceof CallError)) throw thrown
    if (thrown.reached === 'never') return void skipped.push({ address: peer.address, why: thrown.why })
    if (thrown.reached === 'answered') choose()
    throw thrown.reached === 'answered' || skipped.length === 0 ? thrown : afterOthers(thrown, skipped)
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
    async *follow(question) {
      const skipped: Skipped[] = []
      for await (const candidate of inTurn(skipped)) {
        try {
          for await (const item of candidate.peer.follow(question)) {
            candidate.choose()
            yield item
          }
          candidate.choose()
          return
        } catch (error) {
          skip(candidate, error, skipped)
        }
      }
      throw noneReached(all, skipped)
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

function afterOthers(error: CallError, skipped: readonly Skipped[]): CallError {
  const message = `${error.message}; before that, others could not be reached: ${listed(skipped)}`
  return new CallError(error, { reached: error.reached, why: error.why, message }, error.peer, error.address)
}

function listed(skipped: readonly Skipped[]): string {
  return skipped.map(({ address, why }) => `${address} (${why})`).join(', ')
}
