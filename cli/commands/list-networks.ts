/** The networks of the cluster, from all pages. */
import { type Init, type ListNetworksRequest, type Network, NetworksService } from '../../proto/index.ts'
import type { Context } from '../context.ts'
import { allPages } from '../pages.ts'

/** By name; the request says which ones, and whether with their status. */
export function listNetworks({ controller }: Context, request: Init<ListNetworksRequest>): Promise<Network[]> {
  return allPages(
    (pageToken) =>
      controller.ask((client, call) => client.service(NetworksService).list({ ...request, pageToken }, call)),
    (page) => page.networks,
  )
}
