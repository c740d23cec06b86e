/** What the kernel holds of ours, as items. */
import { type Ip, parseIp } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import type { Vni } from '../../lib/vni.ts'
import type { ObservedItem } from '../state/item.ts'
import { dumpAddresses } from './addresses.ts'
import type { Host } from './host.ts'
import { isAsMade } from './link-settings.ts'
import { dumpLinks, type Link } from './links.ts'
import { dumpForwarding, dumpNeighbours, type ForwardingEntry } from './neighbours.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { vxlanOf } from './vxlan.ts'

type Links = ReadonlyMap<number, Link>

const unset = parseIp('0.0.0.0')

/** Links that carry our mark or that we began to make, and what is on them. @throws OverlayError */
export function observeLinks({ socket, owned }: Host): ObservedItem[] {
  const all = dumpLinks(socket)
  const nameOf = new Map(all.map(({ index, name }) => [index, name]))
  const ours: Links = new Map(
    all.filter((link) => owned.isOurs(link) || owned.isHalfMade(link)).map((link) => [link.index, link]),
  )
  if (ours.size === 0) return []
  return [
    ...[...ours.values()].flatMap((link) => linkItem(link, nameOf.get(link.master) ?? '')),
    ...observeAddresses(socket, ours),
    ...observeForwarding(socket, ours),
    ...observeNeighbours(socket, ours),
  ]
}

function linkItem(link: Link, bridge: string): ObservedItem[] {
  const { name, mtu, alias } = link
  const mac = link.mac ?? ('' as Mac)
  const partial = alias !== '' && isAsMade(link) ? {} : ({ partial: true } as const)
  switch (link.kind) {
    case 'bridge':
      return [{ kind: 'bridge', name, mac, mtu, alias, ...partial }]
    case 'vxlan': {
      const { vni, port, local = unset } = vxlanOf(link)
      return [{ kind: 'vxlan', name, mac, mtu, alias, bridge, vni: vni as Vni, local, port, ...partial }]
    }
    case 'veth':
      return [{ kind: 'veth', name, mac, mtu, alias, bridge, ...partial }]
    default:
      return []
  }
}

function observeAddresses(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  return dumpAddresses(socket).flatMap(({ index, address, prefix, linkLocal }): ObservedItem[] => {
    const link = ours.get(index)
    return link?.kind === 'bridge' && !linkLocal ? [{ kind: 'address', dev: link.name, address, prefix }] : []
  })
}

function observeForwarding(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  const ofBridges = new Map<string, ForwardingEntry>()
  const ofDevices = new Map<string, ForwardingEntry>()
  for (const entry of dumpForwarding(socket)) {
    if (!entry.isStatic || !ours.has(entry.index)) continue
    if (entry.of === 'bridge') ofBridges.set(`${entry.index} ${entry.mac}`, entry)
    else if (entry.destination) ofDevices.set(`${entry.index} ${entry.mac}`, entry)
  }
  const items: ObservedItem[] = []
  // Without the device's half this is no remote entry yet.
  for (const [key, { index, mac }] of ofBridges)
    if (!ofDevices.has(key)) items.push({ kind: 'port-entry', dev: ours.get(index)?.name ?? '', mac })
  for (const [key, { index, mac, destination }] of ofDevices) {
    const partial = ofBridges.has(key) ? {} : ({ partial: true } as const)
    const vtep: Ip = destination ?? unset
    items.push({ kind: 'remote-entry', dev: ours.get(index)?.name ?? '', mac, vtep, ...partial })
  }
  return items
}

function observeNeighbours(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  return dumpNeighbours(socket).flatMap(({ index, address, mac, isPermanent }): ObservedItem[] => {
    const link = ours.get(index)
    return link?.kind === 'bridge' && isPermanent ? [{ kind: 'neighbour', dev: link.name, address, mac }] : []
  })
}
