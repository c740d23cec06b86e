/**
 * Entries on devices of ours, as the kernel has told them: forwarding entries, and
 * neighbours that it did not find out for itself. A notification says what there is
 * now; whether that is news can only be told by what was there. They come by ten
 * thousands, and are kept as the kernel writes them.
 */
import { type Attributes, readAttributes, readU32 } from './attributes.ts'
import { readMac } from './byte-addresses.ts'
import { forwardingState, neighbourState } from './neighbours.ts'
import { AF_BRIDGE, NDA_DST, NDA_IFINDEX, NDA_LLADDR, NDA_MASTER, NDA_PORT, NDA_VNI } from './rtnetlink.ts'
import type { SeenLinks } from './seen-links.ts'

export interface SeenEntries {
  /** A struct ndmsg with its attributes. @returns whether it is news. */
  put(payload: Buffer): boolean
  gone(payload: Buffer): boolean
  clear(): void
}

interface Fact {
  readonly key: string
  /** Undefined: it is one like those that the kernel finds out. */
  readonly value?: string
}

export function seenEntries(links: Pick<SeenLinks, 'isOurs' | 'get'>): SeenEntries {
  const seen = new Map<string, string>()

  function factOf(payload: Buffer): Fact | undefined {
    const index = payload.readInt32LE(4)
    const isForwarding = payload.readUInt8(0) === AF_BRIDGE
    // Most of what a host is told is of others.
    if (!isForwarding && !(links.isOurs(index) && links.get(index)?.kind === 'bridge')) return undefined
    const found = readAttributes(payload.subarray(12))
    if (!isForwarding) return neighbourFact(index, payload.readUInt16LE(8), found)
    const master = readU32(found.get(NDA_MASTER)) ?? 0
    if (!links.isOurs(index) && !links.isOurs(master)) return undefined
    return master === 0
      ? deviceFact(index, payload.readUInt16LE(8), found)
      : bridgeFact(index, master, payload.readUInt16LE(8), found)
  }

  /** But for the port's own address, and the bridge's. */
  function bridgeFact(index: number, master: number, bits: number, found: Attributes): Fact | undefined {
    const state = forwardingState(bits)
    const mac = state === 'permanent' ? readMac(found.get(NDA_LLADDR)) : undefined
    const isOwn = mac !== undefined && [index, master].some((one) => links.get(one)?.mac === mac)
    if (index === master || isOwn) return undefined
    return { key: `${master}b${raw(found, NDA_LLADDR)}`, value: `${index} ${state}` }
  }

  return {
    put(payload) {
      const fact = factOf(payload)
      if (!fact) return false
      if (fact.value === undefined) return seen.delete(fact.key)
      if (seen.get(fact.key) === fact.value) return false
      seen.set(fact.key, fact.value)
      return true
    },
    gone(payload) {
      const fact = factOf(payload)
      return fact !== undefined && seen.delete(fact.key)
    },
    clear: () => seen.clear(),
  }
}

/** Of a VXLAN device: one for a MAC, but for what it floods. Others have only their own addresses there. */
function deviceFact(index: number, bits: number, found: Attributes): Fact | undefined {
  if (!found.has(NDA_DST)) return undefined
  const [mac, destination] = [raw(found, NDA_LLADDR), raw(found, NDA_DST)]
  const detour = [NDA_PORT, NDA_VNI, NDA_IFINDEX].map((type) => raw(found, type)).join(' ')
  const key = mac === floods ? `${index}f${destination}` : `${index}d${mac}`
  return { key, value: `${destination} ${forwardingState(bits)} ${detour}` }
}

function neighbourFact(index: number, bits: number, found: Attributes): Fact {
  const key = `${index}n${raw(found, NDA_DST)}`
  const mac = readMac(found.get(NDA_LLADDR))
  const state = mac ? neighbourState(bits, mac) : 'dynamic'
  // The host's own traffic, unless it is in the place of one that was written.
  return state === 'dynamic' ? { key } : { key, value: `${mac} ${state}` }
}

const floods = '\0'.repeat(6)

function raw(found: Attributes, type: number): string {
  return found.get(type)?.toString('latin1') ?? ''
}
