/** Whether the store's keys belong together: nothing without its owner, nothing left behind. */
import { keysOf, ownerOf } from './owned-keys.ts'
import type { ClusterState } from './state.ts'

/** What an empty cluster has, too. */
const lasting = /^(cluster|nodes\/.*|sessions\/.*|controllers\/.*|leaders\/.*|hostroutes\/.*|vni-cursor)$/
/** What is there only while a node is drained. */
const drain = /^drains\//

type Keys = ReadonlyMap<string, string>

/** Keys of networks and endpoints that belong to none, that are missing, and that name another than whose they are. */
export function storeProblems(keys: Keys, { networks }: Pick<ClusterState, 'networks'>): readonly string[] {
  const owned = [...keys].flatMap(([owner, value]) => keysOf(owner, value).map((path) => ({ path, owner })))
  const missing = owned.flatMap(({ path, owner }) => {
    const named = ownerOf(path, keys.get(path))
    if (!keys.has(path)) return [`the store lacks ${path}`]
    return named === owner ? [] : [`${path} is of ${named ?? 'nobody'}, not of ${owner}`]
  })
  const expected = new Set(owned.map(({ path }) => path))
  const leftovers = [...keys].flatMap(([path, value]) => {
    const [kind = '', network = ''] = path.split('/')
    if (lasting.test(path) || drain.test(path) || expected.has(path)) return []
    if (kind === 'networks' || (kind === 'endpoints' && networks.has(network))) return []
    // Journal and quarantine end with their network; so does an address that is only reserved.
    const endsWithNetwork = kind === 'history' || kind === 'released' || kind === 'addresses'
    return endsWithNetwork && ownerOf(path, value) === undefined && networks.has(network) ? [] : [leftover(path)]
  })
  return [...missing, ...leftovers]
}

/** What is left when nothing is attached any more, no network is there, and no node is drained. */
export function remains(keys: Keys): readonly string[] {
  return [...keys.keys()].filter((path) => !lasting.test(path)).map(leftover)
}

const leftover = (path: string) => `the store has ${path}, which belongs to nothing`
