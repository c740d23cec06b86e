/** Whether the store's keys belong together: nothing without its owner, nothing left behind. */
import type { JsonObject } from '../../proto/index.ts'
import type { ClusterState } from './state.ts'

/** What an empty cluster has, too. */
const lasting = /^(cluster|nodes\/.*|sessions\/.*|controllers\/.*|leaders\/.*|hostroutes\/.*|drains\/.*|vni-cursor)$/

/** Keys of networks and endpoints that belong to none, and those that are missing. */
export function storeProblems(keys: ReadonlyMap<string, string>, state: ClusterState): readonly string[] {
  const expected = new Set(expectedKeys(state))
  const missing = [...expected].filter((path) => !keys.has(path)).map((path) => `the store lacks ${path}`)
  const leftovers = [...keys].flatMap(([path, value]) => {
    const [kind = '', network = ''] = path.split('/')
    if (lasting.test(path) || expected.has(path)) return []
    // Journal and quarantine end with their network.
    if (kind === 'history' || kind === 'released') return state.networks.has(network) ? [] : [leftover(path)]
    if (kind === 'addresses' && ownerKind(value) !== 'ENDPOINT' && state.networks.has(network)) return []
    return [leftover(path)]
  })
  return [...missing, ...leftovers]
}

const leftover = (path: string) => `the store has ${path}, which belongs to nothing`

function expectedKeys({ endpoints, networks }: ClusterState): readonly string[] {
  return [
    ...[...networks.values()].flatMap(({ name, vni, subnets }) => [
      `networks/${name}`,
      `vnis/${vni}`,
      ...subnets.map(({ gateway }) => `addresses/${name}/${gateway}`),
    ]),
    ...[...endpoints.values()].flatMap(({ id, network, name, mac, node, addresses }) => [
      `endpoints/${network}/${id}`,
      `macs/${network}/${mac}`,
      `placements/${node}/${network}/${id}`,
      ...(name ? [`names/${network}/${name}`] : []),
      ...addresses.map((address) => `addresses/${network}/${address}`),
    ]),
  ]
}

function ownerKind(value: string): unknown {
  return (JSON.parse(value || '{}') as JsonObject)['kind']
}
