/** What the kernel holds of ours, as items. */

import { takeTurns } from '../../lib/in-slices.ts'
import { cidrAt, familyOf, ipValue, parseIp } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import type { Vni } from '../../lib/vni.ts'
import type { Difference, ObservedItem, SandboxPlace } from '../state/item.ts'
import { dumpAddresses, type LinkAddress } from './addresses.ts'
import type { Host } from './host.ts'
import { insideOf, lookInside } from './insides.ts'
import type { LinkAddresses, SandboxOf } from './kernel.ts'
import { faultsOf, isFlooding } from './link-settings.ts'
import { dumpLinks, type Link } from './links.ts'
import { dumpForwarding, dumpNeighbours, type ForwardingEntry, floodMac } from './neighbours.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { hasOnLinkRoute } from './routes.ts'
import { vxlanOf } from './vxlan.ts'

type Links = ReadonlyMap<number, Link>

const unset = parseIp('0.0.0.0')

/**
 * Links that carry our mark or that we began to make, what is on them, and what
 * is inside the sandboxes.
 * @throws OverlayError
 */
export async function observeLinks(host: Host, sandboxOf: SandboxOf = () => undefined): Promise<ObservedItem[]> {
  const { socket, owned, prepared } = host
  const all = dumpLinks(socket)
  const byIndex = new Map(all.map((link) => [link.index, link]))
  const ours: Links = new Map(
    all
      // What is made ahead is work in progress, as long as the agent lives that began it.
      .filter((link) => owned.isOurs(link) || (owned.isHalfMade(link) && prepared.get(link.name) !== link.index))
      .map((link) => [link.index, link]),
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
    items.push(...linkItem(host, link, byIndex.get(link.master), sandboxOf(link.name)))
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

function linkItem(host: Host, link: Link, master: Link | undefined, place: SandboxPlace | undefined): ObservedItem[] {
  const { name, mtu, alias } = link
  const mac = link.mac ?? ('' as Mac)
  const bridge = master?.name ?? ''
  const faults = faultsIfAny(faultsOf(link, master))
  switch (link.kind) {
    case 'bridge':
      return [{ kind: 'bridge', name, mac, mtu, alias, ...faults }]
    case 'vxlan': {
      const { vni, port, local = unset } = vxlanOf(link)
      const floods = isFlooding(link)
      return [{ kind: 'vxlan', name, mac, mtu, alias, bridge, vni: vni as Vni, local, port, floods, ...faults }]
    }
    case 'veth': {
      // What was never finished is made anew whatever is in it.
      const seen = alias === '' ? undefined : insideOf(host, link, place)
      return [{ kind: 'veth', name, mac, mtu, alias, bridge, ...(seen && { inside: seen }), ...faults }]
    }
    default:
      return []
  }
}

function observeAddresses(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  const found = new Map<string, LinkAddress[]>()
  for (const one of dumpAddresses(socket)) {
    if (ours.get(one.index)?.kind !== 'bridge' || one.linkLocal) continue
    const key = `${one.index} ${one.address}`
    found.set(key, [...(found.get(key) ?? []), one])
  }
  return Array.from(found.values(), (there) => bridgeAddress(socket, ours, there))
}

function bridgeAddress(socket: NetlinkSocket, ours: Links, there: readonly LinkAddress[]): ObservedItem {
  const [{ index, address, prefix } = { index: 0, address: unset, prefix: 0 }] = there.slice(-1)
  const faults: Difference[] = []
  // Twice, with two prefix lengths: we were interrupted when it changed.
  if (there.length > 1)
    faults.push({ what: 'prefix', wanted: 'one', found: there.map((one) => one.prefix).join(' and ') })
  const subnet = cidrAt(familyOf(address), ipValue(address), prefix).text
  if (ours.get(index)?.up && !hasOnLinkRoute(socket, index, address, prefix))
    faults.push({ what: 'route', wanted: subnet, found: '' })
  return { kind: 'address', dev: ours.get(index)?.name ?? '', address, prefix, ...faultsIfAny(faults) }
}

function observeForwarding(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  const ofBridges = new Map<string, ForwardingEntry>()
  const ofDevices = new Map<string, ForwardingEntry>()
  const items: ObservedItem[] = []
  for (const entry of dumpForwarding(socket)) {
    const { index, mac, destination } = entry
    const link = ours.get(index)
    if (!link || link.kind === 'bridge') continue
    if (entry.of === 'bridge') {
      if (!isOwnAddress(entry, link, ours)) ofBridges.set(`${index} ${mac}`, entry)
    } else if (destination && mac === floodMac) {
      // One with a detour stands beside ours, and nothing that we put would take its place.
      const faults = faultsIfAny(entryFaults(entry))
      if (!entry.detour) items.push({ kind: 'flood-entry', dev: link.name, vtep: destination, ...faults })
    } else if (destination) ofDevices.set(`${index} ${mac}`, entry)
  }
  // Without the device's half this is no remote entry yet.
  for (const [key, entry] of ofBridges)
    if (!ofDevices.has(key)) {
      const { index, mac } = entry
      items.push({ kind: 'port-entry', dev: nameOf(ours, index), mac, ...faultsIfAny(entryFaults(entry)) })
    }
  for (const [key, entry] of ofDevices) {
    const { index, mac, destination = unset } = entry
    const half = ofBridges.get(key)
    const faults = [
      ...entryFaults(entry),
      ...(half ? entryFaults(half) : [{ what: 'entry of the bridge', wanted: 'static', found: '' }]),
    ]
    items.push({ kind: 'remote-entry', dev: nameOf(ours, index), mac, vtep: destination, ...faultsIfAny(faults) })
  }
  return items
}

/** Entries that the kernel makes: a port's own address, and its bridge's. */
function isOwnAddress({ mac, state }: ForwardingEntry, port: Link, ours: Links): boolean {
  return state === 'permanent' && (mac === port.mac || mac === ours.get(port.master)?.mac)
}

function entryFaults({ of, state, detour }: ForwardingEntry): Difference[] {
  const what = of === 'bridge' ? 'entry of the bridge' : 'entry'
  // To a VXLAN device the two are the same.
  const isKept = state === 'static' || (state === 'permanent' && of === 'device')
  return [
    ...(isKept ? [] : [{ what, wanted: 'static', found: state }]),
    ...(detour === '' ? [] : [{ what: 'by', wanted: '', found: detour }]),
  ]
}

/** But for what the kernel found out for itself, which is the host's traffic. */
function observeNeighbours(socket: NetlinkSocket, ours: Links): ObservedItem[] {
  return dumpNeighbours(socket).flatMap(({ index, address, mac, state }): ObservedItem[] => {
    const link = ours.get(index)
    if (link?.kind !== 'bridge' || state === 'dynamic') return []
    const faults = state === 'permanent' ? [] : [{ what: 'state', wanted: 'permanent', found: state }]
    return [{ kind: 'neighbour', dev: link.name, address, mac, ...faultsIfAny(faults) }]
  })
}

function nameOf(links: Links, index: number): string {
  return links.get(index)?.name ?? ''
}

export function faultsIfAny(faults: readonly Difference[]): { readonly faults?: readonly Difference[] } {
  return faults.length > 0 ? { faults } : {}
}
