/**
 * Empties `placements/<node>/` of a node that is no more: with each placement
 * go the endpoint, its addresses, name and MAC. The addresses go into
 * quarantine, as those that an agent gives back: others still know them by the
 * old MAC. What the node told of its routes, and that it was drained, goes first.
 */
import { OverlayError } from '../../lib/errors.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import { type Keys, partsBelow } from '../../store/keys.ts'
import { createQuarantine } from '../../store/quarantine.ts'
import { absent, type Compare, type Entry, remove, type Store, unchanged, type Write } from '../../store/store.ts'
import { type Change, commitChange } from '../ipam/change.ts'
import { createEvidence } from '../ipam/evidence.ts'
import { removalOf } from '../ipam/removal.ts'

/**
 * Endpoints per transaction. etcd takes 128 compares and 128 operations; an
 * endpoint needs at most eight compares and, with two addresses, ten operations.
 */
const perStep = 12
/** A step is tried anew when another controller does the same work. */
const attempts = 20
const backoff = { first: 5, most: 200 }

interface Step extends Change {
  readonly compares: readonly Compare[]
}

/**
 * The first step: from then on its agent can write nothing more under it. What
 * was said of the node goes with it: one that registers anew is not drained.
 */
export function forget(keys: Keys, node: string): readonly Write[] {
  return [remove(keys.node(node)), remove(keys.hostRoutesOf(node)), remove(keys.drain(node))]
}

/**
 * Each step commits only while the node's record is absent, so that nothing is
 * taken from a node that has registered again. May be repeated, by several at
 * once, and after a crash at any point.
 * @returns how many endpoints were removed, by us.
 * @throws OverlayError `conflict` when the node is there again.
 */
export async function evict(store: Store, node: string): Promise<number> {
  const { keys } = store
  const range = keys.placements(node)
  const quarantine = createQuarantine(store, () => performance.now())
  await forgetRest(store, node)
  let removed = 0
  for (let attempt = 0; attempt < attempts; ) {
    const page = await store.page(range, { limit: perStep })
    if (page.entries.length === 0) return removed
    const steps = await Promise.all(page.entries.map((entry) => stepFor(store, node, entry)))
    const change = {
      writes: steps.flatMap(({ writes }) => writes),
      resting: steps.flatMap(({ resting }) => resting),
    }
    const outcome = await commitChange(store, quarantine, change, {
      compares: [absent(keys.node(node)), ...steps.flatMap(({ compares }) => compares)],
      // Whether it is there is what counts, readable or not.
      otherwise: [{ path: keys.node(node).path, type: null }],
    })
    if (outcome?.committed) {
      removed += page.entries.length
      attempt = 0
      continue
    }
    if (outcome?.found[0]) throw returned(node)
    await pause(delayBefore(attempt++, backoff))
  }
  throw new OverlayError('conflict', `the endpoints of node ${node} are being removed by another controller`)
}

/** There can come no others: they are written only while the node's record is there. */
async function forgetRest(store: Store, node: string): Promise<void> {
  const { keys } = store
  const outcome = await store.commit({ compares: [absent(keys.node(node))], writes: forget(keys, node) })
  if (!outcome.committed) throw returned(node)
}

async function stepFor(store: Store, node: string, place: Entry<null>): Promise<Step> {
  const { keys } = store
  const [network = '', id = ''] = partsBelow(keys.placements(node), place.path)
  const evidence = createEvidence(store)
  // What somebody else has removed meanwhile is not ours to count.
  evidence.note(unchanged(place))
  const endpoint = await evidence.get(keys.endpoint(network, id))
  const change =
    endpoint?.value.node === node
      ? await removalOf(store, evidence, endpoint, 'EVICTED')
      : { writes: [remove(keys.placement(node, network, id))], resting: [] }
  return { ...change, compares: evidence.compares() }
}

function returned(node: string): OverlayError {
  return new OverlayError('conflict', `node ${node} has registered again`)
}
