/** A network by its name, its uid, or the beginning of that. */
import type { Network } from '../../proto/index.ts'
import type { Entry, Store } from '../../store/store.ts'
import { find, type Kind, pick } from '../reference.ts'

const networks: Kind<Network> = {
  one: 'network',
  command: 'overlayctl ls',
  key: ({ keys }, name) => keys.network(name),
  all: ({ keys }) => keys.networks,
}

/**
 * @throws OverlayError `invalid` when it can be neither, or is the beginning of
 * several uids, which are named; `not_found`.
 */
export function findNetwork(store: Store, reference: string): Promise<Entry<Network>> {
  return find(store, networks, reference)
}

/** As `findNetwork`, among all that there are. */
export function pickNetwork(entries: readonly Entry<Network>[], reference: string): Entry<Network> {
  return pick(entries, networks, reference)
}
