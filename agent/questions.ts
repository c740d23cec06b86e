/** Answers what a controller asks this host. */
import { hasCode, OverlayError } from '../lib/errors.ts'
import { type AppliedQuestion, LinkAddressesAnswer, type LinkAddressesQuestion, type Question } from '../proto/index.ts'
import type { Answerer } from './controller-links.ts'
import { attach } from './endpoint/attach.ts'
import { detach } from './endpoint/detach.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { isPluggable } from './plan.ts'
import { readAlias } from './state/device-names.ts'
import { endpointKey, networkKey } from './state/key.ts'
import { verify } from './verify.ts'

/** @throws OverlayError, which goes back to the controller. */
export async function answerQuestion(
  parts: EndpointParts,
  question: Question,
  signal: AbortSignal,
): ReturnType<Answerer> {
  if (question.applied) return { applied: await applied(parts, question.applied, signal) }
  if (question.attach) return { attach: await attach(parts, question.attach, signal) }
  if (question.detach) return { detach: await detach(parts, question.detach, signal) }
  if (question.linkAddresses) return { linkAddresses: await linkAddresses(parts, question.linkAddresses) }
  if (question.verify) return { verification: await verify(parts) }
  throw new OverlayError('invalid', 'this agent does not know that question: it may be older than the controller')
}

/**
 * A network is applied up to a revision once its key was seen there and its
 * work is done, inside this host's sandboxes as well.
 */
async function applied(
  { sync, view, reconciler }: EndpointParts,
  { network, revision }: AppliedQuestion,
  signal: AbortSignal,
) {
  await sync.networksSeen(revision, signal)
  const local = [...view.localEndpoints(network)].filter((endpoint) => isPluggable(view.self, endpoint))
  const inside = local.map(({ id }) =>
    reconciler.settle([endpointKey(network, id)]).catch((error: unknown) => {
      // In a sandbox that is gone there is nothing to be changed.
      if (!hasCode(error, 'not_found')) throw error
    }),
  )
  await Promise.all([reconciler.settle([networkKey(network)]), ...inside])
  return { revision: sync.revision() }
}

/** What is really there, by the marks of the links. */
async function linkAddresses(
  { kernel, view }: EndpointParts,
  { network }: LinkAddressesQuestion,
): Promise<LinkAddressesAnswer> {
  const links = (await kernel.linkAddresses()).flatMap(({ device, alias, addresses }) => {
    const mark = readAlias(view.self.clusterUid, alias)
    return mark && (!network || mark.network === network) ? [{ ...mark, device, addresses }] : []
  })
  return LinkAddressesAnswer.create({ links })
}
