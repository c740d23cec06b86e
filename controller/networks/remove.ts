/** Removes a network with everything that is kept about it, in one transaction. */
import { OverlayError } from '../../lib/errors.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { Network, RemoveNetworkRequest, RemoveNetworkResponse } from '../../proto/index.ts'
import { type Entry, rangeEmpty, remove, removeRange, type Store, unchanged } from '../../store/store.ts'
import type { Agents } from '../endpoints/detach-each.ts'
import { detachAll, refuseUnreadable } from './detach-all.ts'
import { findNetwork } from './reference.ts'

/** How many endpoints a refusal names. */
const named = 5
/** A claim or an update may come between, but hardly so often. */
const attempts = 10
const backoff = { first: 10, most: 500 }

/**
 * @returns the network as it was.
 * @throws OverlayError `not_found`; `failed_precondition`, naming endpoints,
 * while it has any, or, with force, when some cannot be detached; `conflict`
 * when others change it, or attach to it, all the time.
 */
export async function removeNetwork(
  store: Store,
  links: Agents,
  request: RemoveNetworkRequest,
  signal: AbortSignal,
): Promise<RemoveNetworkResponse> {
  const { uid, name } = (await findNetwork(store, request.name)).value
  let detachedEndpoints = 0
  for (let attempt = 0; attempt < attempts; attempt++) {
    const there = await store.get(store.keys.network(name))
    // One that was made anew under the name is not the one that was meant.
    if (there?.value.uid !== uid)
      throw new OverlayError('not_found', `network ${name} was removed by somebody else meanwhile`)
    if (request.force) detachedEndpoints += await detachAll(store, links, name, signal)
    if (await tryRemove(store, there)) return { network: there.value, detachedEndpoints }
    if (!request.force) await refuseEndpoints(store, name)
    await pause(delayBefore(attempt, backoff), signal)
  }
  throw new OverlayError(
    'conflict',
    request.force
      ? `network ${name} is being attached to, or changed, by others all the time${detachedEndpoints > 0 ? ` (${detachedEndpoints} endpoints were detached)` : ''}: stop what attaches, and try again`
      : `network ${name} is being changed by others all the time: try again`,
  )
}

/** @returns whether it had no endpoint and nobody had changed it. */
async function tryRemove(store: Store, there: Entry<Network>): Promise<boolean> {
  const { keys } = store
  const { name, vni } = there.value
  const outcome = await store.commit({
    compares: [unchanged(there), rangeEmpty(keys.endpoints(name))],
    writes: [
      remove(keys.network(name)),
      remove(keys.vni(vni)),
      removeRange(keys.addresses(name)),
      removeRange(keys.names(name)),
      removeRange(keys.macs(name)),
      removeRange(keys.releasedAddresses(name)),
      removeRange(keys.history(name)),
    ],
  })
  return outcome.committed
}

async function refuseEndpoints(store: Store, name: string): Promise<void> {
  const range = store.keys.endpoints(name)
  const [{ entries, unreadable }, count] = await Promise.all([store.page(range, { limit: named }), store.count(range)])
  refuseUnreadable(name, unreadable)
  if (entries.length === 0) return
  const list = entries.map(({ value }) => `${value.id}${value.name && ` (${value.name})`} on ${value.node}`).join(', ')
  const more = count > entries.length ? ` and ${count - entries.length} more` : ''
  const endpoints = count === 1 ? '1 endpoint' : `${count} endpoints`
  throw new OverlayError(
    'failed_precondition',
    `network ${name} still has ${endpoints}: ${list}${more}; detach each first (overlayctl detach --node NODE ENDPOINT), or all at once (overlayctl rm --force ${name})`,
  )
}
