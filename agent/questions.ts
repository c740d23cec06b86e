/** Answers what a controller asks this host. */
import { OverlayError } from '../lib/errors.ts'
import type { AppliedQuestion, Question } from '../proto/index.ts'
import type { Answerer } from './controller-links.ts'
import { attach } from './endpoint/attach.ts'
import { detach } from './endpoint/detach.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { networkKey } from './state/key.ts'

/** @throws OverlayError, which goes back to the controller. */
export async function answerQuestion(
  parts: EndpointParts,
  question: Question,
  signal: AbortSignal,
): ReturnType<Answerer> {
  if (question.applied) return { applied: await applied(parts, question.applied, signal) }
  if (question.attach) return { attach: await attach(parts, question.attach, signal) }
  if (question.detach) return { detach: await detach(parts, question.detach) }
  throw new OverlayError('invalid', 'this agent does not know that question: it may be older than the controller')
}

/** A network is applied up to a revision once its key was seen there and its work is done. */
async function applied(
  { sync, reconciler }: EndpointParts,
  { network, revision }: AppliedQuestion,
  signal: AbortSignal,
) {
  await sync.networksSeen(revision, signal)
  await reconciler.settle([networkKey(network)])
  return { revision: sync.revision() }
}
