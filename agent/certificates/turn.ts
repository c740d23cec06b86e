/** What all nodes of a cluster do at once, because all have just been told, they do one after the other. */
import { pause } from '../../lib/retry.ts'
import type { Store } from '../../store/store.ts'

/**
 * Milliseconds of the controllers' time for each node: a connection with TLS, a
 * signature, and a transaction take some 8 ms of one core.
 */
const share = 20

/**
 * Waits for a moment of one's own out of as many as the cluster has nodes: with
 * two there is no waiting to speak of, with a thousand up to 20 s.
 * @throws OverlayError `unavailable` when the store does not tell how many there are.
 */
export async function waitTurn(
  store: Pick<Store, 'keys' | 'count'>,
  signal: AbortSignal,
  random: () => number = Math.random,
): Promise<void> {
  const nodes = await store.count(store.keys.nodes)
  await pause(share * nodes * random(), signal)
}
