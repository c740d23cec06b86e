/** Whether the view has what the store has, and waiting until it does. */
import { OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import { pause } from '../../lib/retry.ts'
import type { Endpoint, Network, Node } from '../../proto/index.ts'
import type { Entry, Listing, Revision, Store } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import { readEndpoint, readNetwork } from './records.ts'
import type { Sync } from './sync.ts'
import type { View } from './view.ts'

/** How often it is read anew what the view does not have yet, in milliseconds. */
const readInterval = 100

export interface CaughtUpParts {
  readonly store: Pick<Store, 'keys' | 'list'>
  readonly view: View
  readonly sync: Pick<Sync, 'followed' | 'isFollowed'>
  readonly guard: Pick<Guard, 'holdsBack'>
  readonly signal: AbortSignal
  /** So long, in milliseconds, the view may lag behind what was read; default 5,000. */
  readonly mostLag?: number
}

/**
 * Reads what the view follows, and waits until the view has it. A store that is
 * not believed is not waited for.
 * @returns the revision of the store that the view has at least.
 * @throws OverlayError `unavailable` when the store cannot be reached;
 * `failed_precondition`, naming the key, when the view does not follow.
 */
export async function caughtUp(parts: CaughtUpParts): Promise<Revision> {
  const { store, view, sync, guard, signal, mostLag = 5_000 } = parts
  const { keys } = store
  const waitFor = async <T>(read: () => Promise<Listing<T>>, behind: (listing: Listing<T>) => string | undefined) => {
    let since: number | undefined
    for (;;) {
      const listing = await read()
      const path = behind(listing)
      if (path === undefined || guard.holdsBack() !== undefined) return listing.revision
      signal.throwIfAborted()
      // From the first answer on: a slow store is no lag.
      since ??= performance.now()
      if (performance.now() - since > mostLag) throw behindError(path, listing.revision)
      await pause(readInterval, signal)
    }
  }
  const revision = await waitFor(
    () => store.list(keys.networks),
    (listing) => behindNetworks(store, view, listing),
  )
  await waitFor(
    () => store.list(keys.nodes),
    (listing) => behindNodes(view, listing),
  )
  for (const name of sync.followed())
    await waitFor(
      () => store.list(keys.endpoints(name)),
      // Its last endpoint here may be gone by now.
      (listing) => (sync.isFollowed(name) ? behindEndpoints(store, view, name, listing) : undefined),
    )
  return revision
}

function behindError(path: string, revision: Revision): OverlayError {
  return new OverlayError(
    'failed_precondition',
    `this agent has not come to see ${path} as the store has it at revision ${revision}: try again; if it stays so, restart the agent`,
  )
}

/** What the view has of a range, and what the store has. */
interface Seen<T> {
  readonly listing: Listing<T>
  /** Whether the view has this entry, or a later one; or will never, because it cannot be used. */
  readonly has: (entry: Entry<T>) => boolean
  /** What the view has. */
  readonly known: Iterable<{ readonly path: string; readonly modRevision: Revision }>
}

/** A key that is not in the view as the store has it; undefined: there is none. */
function behind<T>({ listing, has, known }: Seen<T>): string | undefined {
  const { entries, unreadable, revision } = listing
  const late = entries.find((entry) => !has(entry))
  if (late) return late.path
  const paths = new Set([...entries.map(({ path }) => path), ...unreadable])
  // What is newer than what was read is no surplus.
  for (const { path, modRevision } of known) if (modRevision <= revision && !paths.has(path)) return path
  return undefined
}

function behindNetworks({ keys }: Pick<Store, 'keys'>, view: View, listing: Listing<Network>) {
  return behind({
    listing,
    has: (entry) =>
      (view.network(entry.value.name)?.modRevision ?? -1) >= entry.modRevision || !isUsable(() => readNetwork(entry)),
    known: Array.from(view.networks(), ({ name, modRevision }) => ({ path: keys.network(name).path, modRevision })),
  })
}

function behindNodes(view: View, listing: Listing<Node>) {
  return behind({
    listing,
    // What is written of this host it has written itself.
    has: ({ value: { name, vtepAddress } }) =>
      name === view.self.node || !isUsable(() => parseIp(vtepAddress)) || view.vtepOf(name) === parseIp(vtepAddress),
    known: [],
  })
}

function behindEndpoints({ keys }: Pick<Store, 'keys'>, view: View, network: string, listing: Listing<Endpoint>) {
  return behind({
    listing,
    has: (entry) =>
      (view.endpoint(network, entry.value.id)?.modRevision ?? -1) >= entry.modRevision ||
      !isUsable(() => readEndpoint(entry)),
    known: Array.from(view.endpoints(network), ({ id, modRevision }) => ({
      path: keys.endpoint(network, id).path,
      modRevision,
    })),
  })
}

/** What cannot be used is told in the log when it comes, and passed over. */
function isUsable(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}
