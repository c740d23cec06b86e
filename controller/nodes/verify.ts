/** Has a node's agent compare its kernel with the store. */
import type { Verification, VerifyNodeRequest } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { AgentLinks } from '../agent-links.ts'
import { askNode, wrongAnswer } from '../endpoints/forward.ts'
import { findNode } from './reference.ts'

/** @throws OverlayError `not_found`; `unavailable` when its agent cannot be asked; what it answers with. */
export async function verifyNode(
  store: Store,
  links: AgentLinks,
  request: VerifyNodeRequest,
  signal: AbortSignal,
): Promise<Verification> {
  const { name } = (await findNode(store, request.name)).value
  const { verification } = await askNode(store, links, name, { verify: {} }, signal)
  if (!verification) throw wrongAnswer(name)
  return verification
}
