/** Links as the kernel has told them: those of the host, and the far ends of ours in sandboxes. */
import { faultsOf, isFlooding, isHeldBack } from './link-settings.ts'
import type { Link } from './links.ts'
import type { Ownership } from './ownership.ts'
import { vxlanOf } from './vxlan.ts'

/** What has changed, of two links or of one that was not there. */
export interface LinkChange {
  readonly ours: boolean
  readonly host: boolean
}

interface SeenLink {
  readonly link: Link
  readonly isOurs: boolean
  /** All that is compared with what should be. */
  readonly summary: string
}

export interface SeenLinks {
  /** @returns what is news. */
  link(link: Link): LinkChange
  linkGone(index: number): LinkChange
  /** A far end in another namespace. @returns whether it is news. */
  end(netnsid: number, end: Link): boolean
  isOurs(index: number): boolean
  /** Undefined for one that is not known. */
  get(index: number): Link | undefined
  /** The index of our veth whose far end that is. */
  vethOf(netnsid: number, index: number): number | undefined
  /** Our veths that have their far end in another namespace. */
  veths(): readonly Link[]
  clear(): void
}

const nothing: LinkChange = { ours: false, host: false }

export function seenLinks(owned: Ownership): SeenLinks {
  const links = new Map<number, SeenLink>()
  /** By namespace and index. */
  const vethsOf = new Map<string, number>()
  const ends = new Map<string, string>()

  function forget({ link: { index, peer, peerNetnsid } }: SeenLink): void {
    const key = `${peerNetnsid} ${peer}`
    if (vethsOf.get(key) === index) {
      vethsOf.delete(key)
      ends.delete(key)
    }
  }

  return {
    link(link) {
      const before = links.get(link.index)
      const isOurs = owned.isOurs(link) || owned.isHalfMade(link)
      const seen: SeenLink = { link, isOurs, summary: isOurs ? summaryOfOurs(link) : summaryOfOther(link) }
      links.set(link.index, seen)
      if (before && (before.link.peer !== link.peer || before.link.peerNetnsid !== link.peerNetnsid)) forget(before)
      if (isOurs && link.kind === 'veth' && link.peerNetnsid !== undefined)
        vethsOf.set(`${link.peerNetnsid} ${link.peer}`, link.index)
      const isNews = seen.summary !== (before?.summary ?? (isOurs ? '' : down))
      const wasOurs = before?.isOurs ?? false
      const isFreed = before !== undefined && before.link.name !== link.name && owned.isOurName(before.link.name)
      return {
        ours: isFreed || ((isOurs || wasOurs) && (isNews || isNowHeldBack(before?.link, link))),
        host: isNews && !(isOurs && wasOurs),
      }
    },
    linkGone(index) {
      const gone = links.get(index)
      if (!gone) return nothing
      links.delete(index)
      forget(gone)
      const { link, isOurs, summary } = gone
      const isInTheWay = link.kind === 'vxlan' || owned.isOurName(link.name)
      return { ours: isOurs || isInTheWay, host: !isOurs && summary !== down }
    },
    end(netnsid, end) {
      const key = `${netnsid} ${end.index}`
      if (!vethsOf.has(key)) return false
      const { mac, mtu, up, master, peer } = end
      const summary = JSON.stringify([mac, mtu, up, master, peer])
      const isNews = ends.get(key) !== summary
      ends.set(key, summary)
      return isNews
    },
    isOurs: (index) => links.get(index)?.isOurs ?? false,
    get: (index) => links.get(index)?.link,
    vethOf: (netnsid, index) => vethsOf.get(`${netnsid} ${index}`),
    veths: () => Array.from(vethsOf.values()).flatMap((index) => links.get(index)?.link ?? []),
    clear() {
      links.clear()
      vethsOf.clear()
      ends.clear()
    },
  }
}

/** Carries nothing, whatever else it is. */
const down = 'down'

function summaryOfOther({ name, up, mtu }: Link): string {
  return up ? JSON.stringify([name, mtu]) : down
}

/** But for whether a port forwards, which comes and goes with its carrier and its bridge. */
function summaryOfOurs(link: Link): string {
  const { name, alias, mac, mtu, master, kind } = link
  const faults = faultsOf(link)
  const more = kind === 'vxlan' ? [vxlanOf(link), isFlooding(link)] : []
  return JSON.stringify([name, alias, mac, mtu, master, faults, ...more])
}

/** A port begins to forward some time after it has a carrier: that it does not yet, is no news. */
function isNowHeldBack(before: Link | undefined, link: Link): boolean {
  return before !== undefined && before.carrier && !isHeldBack(before) && isHeldBack(link)
}
