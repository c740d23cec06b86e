/** Removes a network with everything that is kept about it, in one transaction. */
import { OverlayError } from '../../lib/errors.ts'
import { parseName } from '../../lib/names.ts'
import type { Network } from '../../proto/index.ts'
import { rangeEmpty, remove, removeRange, type Store, unchanged } from '../../store/store.ts'

/** How many endpoints a refusal names. */
const named = 5
/** A claim or an update may come between, but hardly so often. */
const attempts = 10

/**
 * @returns the network as it was.
 * @throws OverlayError `not_found`; `failed_precondition`, naming endpoints,
 * while it has any.
 */
export async function removeNetwork(store: Store, name: string): Promise<Network> {
  const { keys } = store
  parseName(name)
  for (let attempt = 0; attempt < attempts; attempt++) {
    const there = await store.get(keys.network(name))
    if (!there) throw new OverlayError('not_found', `there is no network ${name}`)
    const outcome = await store.commit({
      compares: [unchanged(there), rangeEmpty(keys.endpoints(name))],
      writes: [
        remove(keys.network(name)),
        remove(keys.vni(there.value.vni)),
        removeRange(keys.addresses(name)),
        removeRange(keys.names(name)),
        removeRange(keys.macs(name)),
        removeRange(keys.releasedAddresses(name)),
      ],
    })
    if (outcome.committed) return there.value
    await refuseEndpoints(store, name)
  }
  throw new OverlayError('conflict', `network ${name} is being changed by others all the time: try again`)
}

async function refuseEndpoints(store: Store, name: string): Promise<void> {
  const range = store.keys.endpoints(name)
  const [{ entries }, count] = await Promise.all([store.page(range, { limit: named }), store.count(range)])
  if (entries.length === 0) return
  const list = entries.map(({ value }) => `${value.id}${value.name && ` (${value.name})`} on ${value.node}`).join(', ')
  const more = count > entries.length ? ` and ${count - entries.length} more` : ''
  const endpoints = count === 1 ? '1 endpoint' : `${count} endpoints`
  throw new OverlayError(
    'failed_precondition',
    `network ${name} still has ${endpoints}: ${list}${more}; detach each first (overlayctl detach ENDPOINT)`,
  )
}
