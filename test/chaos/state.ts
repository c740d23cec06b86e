/** What the cluster remembers at one moment, as far as clients are concerned. */
import { Endpoint, type JsonObject, Network } from '../../proto/index.ts'

export interface ClusterState {
  /** By id. */
  readonly endpoints: ReadonlyMap<string, Endpoint>
  /** By name. */
  readonly networks: ReadonlyMap<string, Network>
}

export const emptyState: ClusterState = { endpoints: new Map(), networks: new Map() }

/** Of the store's keys below the prefix, and their values. */
export function clusterState(keys: Iterable<readonly [path: string, value: string]>): ClusterState {
  const endpoints = new Map<string, Endpoint>()
  const networks = new Map<string, Network>()
  for (const [path, value] of keys) {
    if (path.startsWith('endpoints/')) {
      const endpoint = Endpoint.fromJson(JSON.parse(value) as JsonObject)
      endpoints.set(endpoint.id, endpoint)
    } else if (path.startsWith('networks/')) {
      const network = Network.fromJson(JSON.parse(value) as JsonObject)
      networks.set(network.name, network)
    }
  }
  return { endpoints, networks }
}
