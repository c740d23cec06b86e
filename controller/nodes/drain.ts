/** Takes a node out of use, and back. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import type { Identity } from '../../lib/pki/identity.ts'
import { checkReason } from '../../lib/requests/drain-node.ts'
import type { DrainNodeRequest, DrainNodeResponse, Endpoint, Node, UndrainNodeRequest } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import { absent, createdAt, type Entry, put, remove, type Store, unchanged } from '../../store/store.ts'
import { type Agents, detachEach, explainAbsence } from '../endpoints/detach-each.ts'
import { readEach } from '../read-each.ts'
import { describeNode, getNode } from './list.ts'
import { findNode } from './reference.ts'

/** Others may drain or undrain it at the same time, but hardly so often. */
const attempts = 10

/**
 * Marks the node, after which no claim of its agent commits any more, then has
 * its agent detach what is there. May be repeated: what is left is detached, and
 * a new reason, also an empty one, replaces the old one.
 * @throws OverlayError `not_found`; `invalid`; `failed_precondition` or
 * `unavailable`, before anything is changed, when there is something to detach
 * and no agent to do it; the same, saying how far it came, when that fails;
 * `not_found` or `conflict` when it was removed, or undrained, meanwhile.
 */
export async function drainNode(
  store: Store,
  links: Agents,
  { name, reason, keepEndpoints }: DrainNodeRequest,
  signal: AbortSignal,
  caller?: Identity,
): Promise<DrainNodeResponse> {
  const faults = new Faults()
  faults.try('name', () => parseName(name))
  checkReason(faults, reason ?? '')
  faults.throwIfAny()
  const node = await findNode(store, name, caller)
  if (!keepEndpoints) await refuseAbsent(store, links, node.value.name)
  await mark(store, node, reason)
  const detachedEndpoints = keepEndpoints ? 0 : await empty(store, links, node.value.name, signal)
  return { node: await drained(store, node), detachedEndpoints }
}

/**
 * The node takes endpoints again. May be repeated.
 * @throws OverlayError `not_found`; `invalid`
 */
export async function undrainNode(store: Store, { name }: UndrainNodeRequest, caller?: Identity): Promise<Node> {
  const node = await findNode(store, name, caller)
  await store.commit({ compares: [], writes: [remove(store.keys.drain(node.value.name))] })
  return getNode(store, node.value.name)
}

/** Fenced by the node's generation: no mark is left of a node that was removed meanwhile. */
async function mark(store: Store, node: Entry<Node>, reason: string | undefined): Promise<void> {
  const { keys } = store
  const { name } = node.value
  const key = keys.drain(name)
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = await store.get(key)
    const drain = {
      node: name,
      since: before?.value.since ?? new Date().toISOString(),
      reason: reason ?? before?.value.reason ?? '',
    }
    if (before?.value.reason === drain.reason) return
    const outcome = await store.commit({
      compares: [createdAt(keys.node(name), node.createRevision), before ? unchanged(before) : absent(key)],
      writes: [put(key, drain, { over: before })],
    })
    if (outcome.committed) return
    await currentOf(store, node)
  }
  throw new OverlayError('conflict', `node ${name} is being drained and undrained by others all the time: try again`)
}

/** @throws OverlayError `not_found` when it was removed meanwhile, also if it has registered again. */
async function currentOf(store: Store, { value: { name }, createRevision }: Entry<Node>): Promise<Entry<Node>> {
  const now = await store.get(store.keys.node(name))
  if (now?.createRevision === createRevision) return now
  throw new OverlayError('not_found', `node ${name} was removed by somebody else meanwhile`)
}

/** The node as it is once that is done. @throws OverlayError `not_found`, `conflict` when others undid it meanwhile. */
async function drained(store: Store, before: Entry<Node>): Promise<Node> {
  const node = await describeNode(store, (await currentOf(store, before)).value)
  if (node.status?.drain) return node
  throw new OverlayError('conflict', `node ${node.name} was taken back into use by somebody else meanwhile`)
}

/** Before anything is changed. */
async function refuseAbsent(store: Store, links: Agents, node: string): Promise<void> {
  if (links.isConnected(node)) return
  const count = await store.count(store.keys.placements(node))
  if (count === 0) return
  const { code, wayOut } = await explainAbsence(store, node)
  const there = count === 1 ? '1 endpoint, which cannot' : `${count} endpoints, which cannot`
  throw new OverlayError(
    code,
    `there ${count === 1 ? 'is' : 'are'} ${there} be detached, on node ${node}, ${wayOut}; with --keep-endpoints only new endpoints are refused. Nothing was changed`,
  )
}

/** @returns how many endpoints were detached, by us. */
async function empty(store: Store, links: Agents, node: string, signal: AbortSignal): Promise<number> {
  const range = store.keys.placements(node)
  const { paths } = await store.paths(range)
  const { entries, unreadable } = await endpointsAt(
    store,
    node,
    paths.map((path) => partsBelow(range, path)),
  )
  const { count, failure = unreadable } = await detachEach(store, links, entries, signal)
  if (!failure) return count
  throw failure.saying(
    `node ${node} takes no new endpoints any more, but ${count} of ${paths.length} that it had are detached: ${failure.message}; say it again to go on, or take the node back into use (overlayctl node undrain ${node})`,
  )
}

/** Of what cannot be read only the first fault is told. */
async function endpointsAt(store: Store, node: string, places: readonly (readonly string[])[]) {
  let unreadable: OverlayError | undefined
  const found = await readEach(places, async ([network = '', id = '']) => {
    try {
      return await store.get(store.keys.endpoint(network, id))
    } catch (error) {
      if (!hasCode(error, 'internal')) throw error
      unreadable ??= new OverlayError('failed_precondition', error.message)
      return undefined
    }
  })
  const entries = found.filter((entry): entry is Entry<Endpoint> => entry?.value.node === node)
  return { entries, unreadable }
}
