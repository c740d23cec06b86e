/** Compares this host's kernel with the store, on demand. */
import { hasCode, OverlayError } from '../lib/errors.ts'
import { Verification } from '../proto/index.ts'
import { deviationOf } from './drift/deviation.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { caughtUp } from './view/caught-up.ts'

/** Deviations in one answer, whose size is bounded; and of what is awaited. */
const mostTold = 2_000

/**
 * The view is first brought as far as the store is now. Without a store it is
 * compared with what was known last, and `held` says so.
 * @throws OverlayError `failed_precondition` when the agent does not come to see
 * what the store says; as `Reconciler.compare`.
 */
export async function verify(parts: EndpointParts): Promise<Verification> {
  const { view, guard, sync, reconciler, vanished } = parts
  const { revision, away } = await readFreshly(parts)
  const { differing, objects } = await reconciler.compare()
  const told = revision ?? sync.revision()
  const stale =
    away && `compared with what was known at revision ${told}, because the store cannot be reached: ${away.message}`
  return Verification.create({
    node: view.self.node,
    revision: told,
    held: guard.reason() ?? stale ?? '',
    deviations: differing.slice(0, mostTold).map(({ obstacle, ...one }) => deviationOf(one, { obstacle })),
    objects,
    more: Math.max(0, differing.length - mostTold),
    awaited: vanished.problems().slice(0, mostTold),
  })
}

async function readFreshly(parts: EndpointParts): Promise<{ revision?: number; away?: OverlayError }> {
  const { health } = parts
  const problem = health.problem()
  if (problem) return { away: problem }
  try {
    return { revision: await health.observe(() => caughtUp(parts)) }
  } catch (error) {
    if (!hasCode(error, 'unavailable')) throw error
    return { away: error }
  }
}
