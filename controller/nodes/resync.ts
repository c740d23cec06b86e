/** Has a node's agent believe the store again after its history went back. */
import type { Identity } from '../../lib/pki/identity.ts'
import type { ResyncNodeRequest, ResyncResponse } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { AgentLinks } from '../agent-links.ts'
import { askNode, wrongAnswer } from '../endpoints/forward.ts'
import { findNode } from './reference.ts'

/**
 * An agent that is connected is asked by its name: the store that went back may
 * not have its node yet.
 * @throws OverlayError `not_found`; `unavailable` when its agent cannot be asked; what it answers with.
 */
export async function resyncNode(
  store: Store,
  links: AgentLinks,
  { name, discard }: ResyncNodeRequest,
  signal: AbortSignal,
  caller?: Identity,
): Promise<ResyncResponse> {
  const node = links.isConnected(name) ? name : (await findNode(store, name, caller)).value.name
  const { resync } = await askNode(store, links, node, { resync: { discard } }, signal)
  if (!resync) throw wrongAnswer(node)
  return resync
}
