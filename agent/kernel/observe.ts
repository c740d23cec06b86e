/** What the kernel holds of ours, as items. */

import { takeTurns } from '../../lib/in-slices.ts'
import { type Ip, parseIp } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import type { Vni } from '../../lib/vni.ts'
import type { BridgeAddress, ObservedItem } from '../state/item.ts'
import { dumpAddresses, type LinkAddress } from './addresses.ts'
import type { Host } from './host.ts'
import { insideOf, lookInside } from './insides.ts'
import type { LinkAddresses } from './kernel.ts'
import { isAsMade, isFlooding } from './link-settings.ts'
import { dumpLinks, type Link } from './links.ts'
import { dumpForwarding, dumpNeighbours, type ForwardingEntry, floodMac } from './neighbours.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { vxlanOf } from './vxlan.ts'

type Links = ReadonlyMap<number, Link>

const unset = parseIp('0.0.0.0')

/**
 * Links that carry our mark or that we began to make, what is on them, and what
 * is inside the sandboxes.
 * @throws OverlayError
 */
export async function observeLinks(host: Host): Promise<ObservedItem[]> {
  const { socket, owned } = host
  const all = dumpLinks(socket)
  const nameOf = new Map(all.map(({ index, name }) => [index, name]))
  const ours: Links = new Map(
    all.filter((link) => owned.isOurs(link) || owned.isHalfMade(link)).map((link) => [link.index, link]),
  )
  if (ours.size === 0) return []
  // All of the host at one time, before others get a turn.
  const items = [
    ...observeAddresses(socket, ours),
    ...observeForwarding(socket, ours),
    ...observeNeighbours(socket, ours),
  ]
  const turn = takeTurns()
  for (const link of ours.values()) {
    items.push(...linkItem(host, link, nameOf.get(link.master) ?? ''))
    await turn()
  }
  return items
}

/** What is on our bridges and inside our sandboxes, whoever put it there. @throws OverlayError */
export async function linkAddresses(host: Host): Promise<LinkAddresses[]> {
  const { socket, owned } = host
  const onHost = dumpAddresses(socket)
  const found: LinkAddresses[] = []
  const turn = takeTurns()
  for (const link of dumpLinks(socket)) {
    const { kind, name, alias } = link
    if (!owned.isOurs(link) || (kind !== 'bridge' && kind !== 'veth')) continue
    const there = kind === 'veth' ? lookInside(host, link)?.addresses : onHost.filter((one) => isOn(link, one))
    found.push({ device: name, alias, addresses: (there ?? []).map(({ address }) => address) })
    await turn()
  }
  return found
}

function isOn({ index }: Link, address: LinkAddress): boolean {
  return address.index === index && !address.linkLocal
}

function linkItem(host: Host, link: Link, bridge: string): ObservedItem[] {
  const { name, mtu, alias } = link
  const mac = link.mac ?? ('' as Mac)
  const partial = alias !== '' && isAsMade(link) ? {} : ({ partial: true } as const)
  switch (link.kind) {
    case 'bridge':
      return [{ kind: 'bridge', name, mac, mtu, alias, ...partial }]
    case 'vxlan': {
      const { vni, port, local = unset } = vxlanOf(link)
      const floods = isFlooding(link)
      return [{ kind: 'vxlan', name, mac, mtu, alias, bridge, vni: vni as Vni, local, port, floods, ...partial }]
    }
    case 'veth': {
      // What was never finished is made anew whatever is in it.
      const seen = alias === '' ? undefined : insideOf(host, link)
      return [{ kind: 'veth', name, mac, mtu, alias, bridge, ...(seen && { inside: seen }), ...partial }]
    }
    default:
      return []
  }
}

function observeAddresses(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  const found = new Map<string, BridgeAddress & { readonly partial?: true }>()
  for (const { index, address, prefix, linkLocal } of dumpAddresses(socket)) {
    const link = ours.get(index)
    if (link?.kind !== 'bridge' || linkLocal) continue
    const key = `${index} ${address}`
    // Twice, with two prefix lengths: we were interrupted when it changed.
    const partial = found.has(key) ? ({ partial: true } as const) : {}
    found.set(key, { kind: 'address', dev: link.name, address, prefix, ...partial })
  }
  return [...found.values()]
}

function observeForwarding(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  const ofBridges = new Map<string, ForwardingEntry>()
  const ofDevices = new Map<string, ForwardingEntry>()
  const items: ObservedItem[] = []
  for (const entry of dumpForwarding(socket)) {
    if (!entry.isStatic || !ours.has(entry.index)) continue
    if (entry.of === 'bridge') ofBridges.set(`${entry.index} ${entry.mac}`, entry)
    else if (entry.destination && entry.mac === floodMac)
      items.push({ kind: 'flood-entry', dev: ours.get(entry.index)?.name ?? '', vtep: entry.destination })
    else if (entry.destination) ofDevices.set(`${entry.index} ${entry.mac}`, entry)
  }
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
