/** An endpoint that the kernel shows and the store does not. */
import type { Mac } from '../../lib/mac.ts'
import type { ObservedVeth } from '../state/item.ts'
import type { EndpointView } from '../state/view.ts'

/**
 * What is known of it: enough to show it and to detach it. Having no sandbox it
 * is not planned, and its revisions are older than any record's.
 */
export function orphan(node: string, network: string, id: string, veth: ObservedVeth): EndpointView {
  return {
    id,
    network,
    node,
    mac: veth.mac as Mac,
    addresses: [],
    ifname: '',
    sandbox: undefined,
    gwPriority: 0,
    name: '',
    labels: {},
    createdAt: '',
    createRevision: -1,
    modRevision: -1,
  }
}
