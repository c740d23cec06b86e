/** What an answer, or none, says of what was done. */
import type { ErrorCode } from '../../lib/errors.ts'
import { OverlayError } from '../../lib/errors.ts'
import type { Action, Outcome } from './operations.ts'

/** The peer itself says no, and nothing was or will be done. */
const refusals: readonly ErrorCode[] = [
  'not_found',
  'already_exists',
  'invalid',
  'conflict',
  'exhausted',
  'failed_precondition',
  'permission_denied',
  'unauthenticated',
]

/** grpc-js could not connect, so that nothing was sent (its picker.js and load-balancer-pick-first.js). */
const notSent = /^(No connection established|Name resolution failed)/
/** A controller that did not ask the agent (controller/endpoints/forward.ts), and one that tells what it answered. */
const notAsked = /^the agent of node \S+ (cannot be asked|has no connection)/
const answeredByAgent = /^node \S+: /
/** The connection broke with the call on it (subchannel-call.js). */
const broken =
  /^(Connection dropped|Received RST_STREAM|Stream refused|read E|write E|Received HTTP status|Call cancelled|Deadline exceeded)/

/** A fault of the peer's own, that it should have had an answer for; a connection that breaks may be called so too. */
export function isInternal(outcome: Outcome): boolean {
  return outcome.is === 'unknown' && outcome.code === 'internal' && !broken.test(outcome.message)
}

/** What a failed call comes to. */
export function failedOutcome({ do: kind, ...action }: Action, thrown: unknown): Outcome {
  const { code, message } = OverlayError.from(thrown)
  const isOne = kind === 'attach' || kind === 'detach'
  if (notSent.test(message) || (isOne && notAsked.test(message))) return { is: 'refused', code, message, isSent: false }
  if (refusals.includes(code)) return { is: 'refused', code, message, isSent: true }
  // An agent that answers so has undone the attach, or will.
  const isOfAgent = kind === 'attach' && 'via' in action && (action.via === 'agent' || answeredByAgent.test(message))
  if (isOfAgent && code === 'unavailable' && !broken.test(message))
    return { is: 'refused', code, message, isSent: true }
  return { is: 'unknown', code, message }
}
