/** Items and operations as text, so that tests compare whole states at a glance. */
import type { Mac } from '../../lib/mac.ts'
import type { Operation } from '../kernel/kernel.ts'
import type { AnyItem, ObservedInterface, SandboxInterface } from '../state/item.ts'

/** What a derived MAC stands for, so that the text says it. */
export type MacNames = ReadonlyMap<Mac, string>

/** One item a line, in the order given. */
export function stateText(items: Iterable<AnyItem>, macs: MacNames = new Map()): string {
  return Array.from(items, (item) => itemText(item, macs)).join('\n')
}

/** One operation a line: `put …` or `delete …`. */
export function operationsText(operations: Iterable<Operation>, macs: MacNames = new Map()): string {
  return Array.from(operations, ({ do: what, item }) => `${what} ${itemText(item, macs)}`).join('\n')
}

function itemText(item: AnyItem, macs: MacNames): string {
  const mac = (address: string) => macs.get(address as Mac) ?? address
  switch (item.kind) {
    case 'isolation':
      return 'isolation'
    case 'bridge':
      return `bridge ${item.name} mac ${mac(item.mac)} mtu ${item.mtu} alias ${item.alias}`
    case 'vxlan':
      return `vxlan ${item.name} on ${item.bridge} mac ${mac(item.mac)} mtu ${item.mtu} vni ${item.vni} local ${item.local} port ${item.port}${item.floods ? ' floods' : ''} alias ${item.alias}`
    case 'veth': {
      const inside = item.inside ? ` to ${insideText(item.inside, mac)}` : ''
      return `veth ${item.name} on ${item.bridge} mac ${mac(item.mac)} mtu ${item.mtu} alias ${item.alias}${inside}`
    }
    case 'bridge-pass':
      return `bridge-pass ${item.bridge}`
    case 'address':
      return `address ${item.address}/${item.prefix} on ${item.dev}`
    case 'port-entry':
      return `port-entry ${mac(item.mac)} on ${item.dev}`
    case 'remote-entry':
      return `remote-entry ${mac(item.mac)} on ${item.dev} behind ${item.vtep}`
    case 'flood-entry':
      return `flood-entry on ${item.dev} to ${item.vtep}`
    case 'neighbour':
      return `neighbour ${item.address} is ${mac(item.mac)} on ${item.dev}`
  }
}

function insideText(inside: SandboxInterface | ObservedInterface, mac: (address: string) => string): string {
  const addresses = inside.addresses.join(' ')
  if (!('netns' in inside)) return `mtu ${inside.mtu} addresses ${addresses}`
  const { netns, cookie, ifname, gateways, gwPriority } = inside
  const via = gateways.length > 0 ? ` via ${gateways.join(' ')}` : ''
  const priority = gwPriority === 0 ? '' : ` priority ${gwPriority}`
  return `${ifname} in ${netns} (${cookie}) mac ${mac(inside.mac)} addresses ${addresses}${via}${priority}`
}
