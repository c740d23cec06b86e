/** One endpoint, by its id or the beginning of one. */
import { OverlayError } from '../../lib/errors.ts'
import type { Endpoint } from '../../proto/index.ts'
import type { Range, Store } from '../../store/store.ts'

/** How many candidates a refusal names. */
const named = 5

/**
 * Costs one short read per network, because endpoints are kept by network.
 * @throws OverlayError `not_found`; `invalid` when it is no id or the beginning
 * of several, which are named.
 */
export async function findEndpoint(store: Store, id: string): Promise<Endpoint> {
  if (!/^[0-9a-f]{1,32}$/.test(id))
    throw new OverlayError(
      'invalid',
      `"${id.slice(0, 80)}" is not an endpoint id: give its 32 hex digits, or the first of them`,
    )
  const networks = await store.list(store.keys.networks)
  const pages = await Promise.all(
    networks.entries.map(({ value }) => {
      const range = store.keys.endpoints(value.name)
      const beginning: Range<Endpoint> = { ...range, prefix: range.prefix + id }
      return store.page(beginning, { limit: named + 1 })
    }),
  )
  const found = pages.flatMap((page) => page.entries.map((entry) => entry.value))
  const [only, ...others] = found
  if (!only) throw new OverlayError('not_found', `there is no endpoint ${id}`)
  if (others.length === 0) return only
  const list = found.slice(0, named).map((endpoint) => `${endpoint.id} (${endpoint.network}, on ${endpoint.node})`)
  const more = found.length > named ? ' and more' : ''
  throw new OverlayError('invalid', `${id} is the beginning of several endpoint ids: ${list.join(', ')}${more}`)
}
