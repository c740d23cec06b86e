/**
 * What the kernel's notifications of links, addresses, routes and entries mean for
 * us: most of them tell nothing new, or of something that is not ours to know.
 */
import { type Attributes, readAttributes, readU32 } from './attributes.ts'
import { decodeLink, type Link } from './links.ts'
import type { Message } from './netlink-message.ts'
import { isOwn, type OwnWorkDone } from './own-work.ts'
import type { Ownership } from './ownership.ts'
import { devicesOf } from './route-devices.ts'
import {
  AF_BRIDGE,
  NLM_F_REPLACE,
  RT_SCOPE_LINK,
  RT_TABLE_LOCAL,
  RTA_DST,
  RTA_TABLE,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_F_CLONED,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTPROT_OVERLAY,
} from './rtnetlink.ts'
import { seenEntries } from './seen-entries.ts'
import { seenLinks } from './seen-links.ts'

/** Everything that notifications are compared with. */
export interface KernelPicture {
  readonly links: readonly Link[]
  /** The far ends of those of our veths, by the veth. */
  readonly farEnd: (veth: Link) => Link | undefined
  /** Takes each entry of the forwarding and neighbour tables, as the kernel writes it. */
  readonly eachEntry: (take: (payload: Buffer) => void) => void
}

const routeTypes: readonly number[] = [RTN_UNICAST, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT]

/** Neighbours in sandboxes are the workloads' own, and there are many. */
export function isOfUse({ type }: Pick<Message, 'type'>, netnsid: number | undefined): boolean {
  return netnsid === undefined || (type !== RTM_NEWNEIGH && type !== RTM_DELNEIGH)
}

/** To be told of all messages that are of use, in their order. */
export class Notifications {
  readonly #links
  readonly #entries
  /** Links of ours whose settings as a port may have changed, and whether that was all our own work. */
  readonly #unread = new Map<number, boolean>()
  #ours = false
  #host = false

  constructor(owned: Ownership) {
    this.#links = seenLinks(owned)
    this.#entries = seenEntries(this.#links)
  }

  /** Starts anew from what is there. */
  learn({ links, farEnd, eachEntry }: KernelPicture): void {
    this.#links.clear()
    this.#entries.clear()
    this.#unread.clear()
    for (const link of links) this.#links.link(link)
    for (const veth of this.#links.veths()) {
      const end = farEnd(veth)
      if (end && veth.peerNetnsid !== undefined) this.#links.end(veth.peerNetnsid, end)
    }
    eachEntry((payload) => this.#entries.put(payload))
  }

  /** `own`: what we have just done ourselves. Nothing of it is told. */
  hear({ type, flags, payload }: Message, netnsid: number | undefined, own?: OwnWorkDone): void {
    switch (type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        return this.#hearLink(type, payload, netnsid, own)
      case RTM_NEWADDR:
      case RTM_DELADDR:
        return this.#hearAddress(type, payload, netnsid, own)
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        return this.#hearRoute(type, flags, payload, netnsid, own)
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        this.#hearEntry(type, payload, own)
    }
  }

  /** Of some changes to a bridge's ports the kernel tells only that there was one. */
  readAgain(find: (index: number) => Link | undefined): void {
    for (const [index, isOwnWork] of this.#unread) {
      const link = find(index)
      const change = link && this.#links.link(link)
      if (change?.ours && !isOwnWork) this.#ours = true
    }
    this.#unread.clear()
  }

  /** What was heard since this was last asked. */
  take(): { readonly ours: boolean; readonly host: boolean } {
    const heard = { ours: this.#ours, host: this.#host }
    this.#ours = false
    this.#host = false
    return heard
  }

  #hearLink(type: number, payload: Buffer, netnsid: number | undefined, own: OwnWorkDone | undefined): void {
    const index = payload.readInt32LE(4)
    const isPort = payload.readUInt8(0) === AF_BRIDGE
    if (netnsid !== undefined) return isPort ? undefined : this.#hearEnd(type, payload, netnsid, own)
    const isOwnWork = this.#isOwnWork(own, index, type)
    if (isPort) {
      if (this.#links.isOurs(index)) this.#unread.set(index, (this.#unread.get(index) ?? true) && isOwnWork)
      return
    }
    const link = type === RTM_NEWLINK ? decodeLink(payload) : undefined
    const isMade = link !== undefined && own?.names.has(link.name)
    if (isMade) own?.touched.set(index, 'all')
    const change = link ? this.#links.link(link) : this.#links.linkGone(index)
    if (isOwnWork || isMade) return
    this.#ours ||= change.ours
    this.#host ||= change.host
  }

  #hearEnd(type: number, payload: Buffer, netnsid: number, own: OwnWorkDone | undefined): void {
    const index = payload.readInt32LE(4)
    if (this.#links.vethOf(netnsid, index) === undefined) {
      // A VXLAN device keeps its VNI wherever it is moved: ours may have waited for its end.
      if (type === RTM_DELLINK && decodeLink(payload).kind === 'vxlan') this.#ours = true
      return
    }
    const isNews = type === RTM_DELLINK || this.#links.end(netnsid, decodeLink(payload))
    if (isNews && !this.#isOwn(own, netnsid, index, type)) this.#ours = true
  }

  #hearAddress(type: number, payload: Buffer, netnsid: number | undefined, own: OwnWorkDone | undefined): void {
    const index = payload.readUInt32LE(4)
    if (payload.readUInt8(3) === RT_SCOPE_LINK || this.#isOwn(own, netnsid, index, type)) return
    if (!this.#isOfOurs(netnsid, index)) this.#host ||= netnsid === undefined
    // What comes beside ours does it no harm.
    else if (type === RTM_DELADDR) this.#ours = true
  }

  #hearRoute(
    type: number,
    flags: number,
    payload: Buffer,
    netnsid: number | undefined,
    own: OwnWorkDone | undefined,
  ): void {
    const [, prefix = 0, , , table = 0, protocol, , kind = 0] = payload
    if (payload.readUInt32LE(8) & RTM_F_CLONED || !routeTypes.includes(kind)) return
    const found = readAttributes(payload.subarray(12))
    if ((readU32(found.get(RTA_TABLE)) ?? table) === RT_TABLE_LOCAL || isOnEveryHost(found)) return
    const devices = devicesOf(found)
    if (devices.some((index) => this.#isOwn(own, netnsid, index, type))) return
    if (!devices.some((index) => this.#isOfOurs(netnsid, index)))
      this.#host ||= netnsid === undefined && protocol !== RTPROT_OVERLAY
    // What stands in for a while (see settle-address.ts) may go.
    else if (protocol === RTPROT_OVERLAY && prefix > 0) return
    else if (type === RTM_DELROUTE || flags & NLM_F_REPLACE) this.#ours = true
  }

  #hearEntry(type: number, payload: Buffer, own: OwnWorkDone | undefined): void {
    const isNews = type === RTM_DELNEIGH ? this.#entries.gone(payload) : this.#entries.put(payload)
    if (!isNews || this.#ours) return
    const index = payload.readInt32LE(4)
    // With a bridge, or a port of it, its entries go.
    if (!this.#isOwnWork(own, index, type)) this.#ours = true
  }

  /** What is done to a bridge of the host may be told of its ports, too. */
  #isOwnWork(own: OwnWorkDone | undefined, index: number, type: number): boolean {
    if (!own) return false
    const master = this.#links.get(index)?.master ?? 0
    return this.#isOwn(own, undefined, index, type) || this.#isOwn(own, undefined, master, type)
  }

  /** Whether it is a device of ours, or the far end of one. */
  #isOfOurs(netnsid: number | undefined, index: number): boolean {
    return netnsid === undefined ? this.#links.isOurs(index) : this.#links.vethOf(netnsid, index) !== undefined
  }

  #isOwn(own: OwnWorkDone | undefined, netnsid: number | undefined, index: number, type: number): boolean {
    if (!own) return false
    if (netnsid === undefined) return !own.inside && isOwn(own, index, type)
    if (own.inside) return isOwn(own, index, type)
    // Of a pair that we make, remove or change from here.
    const veth = this.#links.vethOf(netnsid, index)
    return veth !== undefined && isOwn(own, veth, type)
  }
}

/** To multicast and link-local addresses, which come and go with their links. */
function isOnEveryHost(found: Attributes): boolean {
  const [first = 0, second = 0] = found.get(RTA_DST) ?? []
  const isFour = found.get(RTA_DST)?.length === 4
  return isFour
    ? first >= 224 || (first === 169 && second === 254)
    : first === 0xff || (first === 0xfe && second >> 6 === 2)
}
