/** What the nodes report of their hosts. */
import { partsBelow } from '../../store/keys.ts'
import type { Store } from '../../store/store.ts'
import type { RoutesOfNode } from './taken.ts'

/** It follows the hosts: a change that comes between is no conflict, but a matter for warnings. */
export async function routesOfHosts(store: Store): Promise<readonly RoutesOfNode[]> {
  const range = store.keys.hostRoutes
  const { entries } = await store.list(range)
  return entries.map(({ path, value }) => ({ node: partsBelow(range, path).join('/'), routes: value }))
}
