/** Which MAC an address had last, as far as this agent has written it: so that a change can be announced. Pure. */
import { type Ip, parseIp } from '../lib/ip.ts'
import { parseMac } from '../lib/mac.ts'
import type { Announcement, Operation } from './kernel/kernel.ts'
import type { AnyItem } from './state/item.ts'

/**
 * So many addresses, those first that were written of last. By number and not by
 * time: an entry that nobody uses stays in a sandbox's cache without end.
 */
const defaultMost = 10_000

/** An operation that succeeded. */
export interface Done {
  readonly operation: Operation
  /** What was in its place. */
  readonly before: AnyItem | undefined
}

export class LastMacs {
  readonly #most: number
  readonly #last = new Map<string, Announcement>()
  /** Bridges that we have made, with nobody on them: an address that we know nothing of was nobody's there. */
  readonly #whole = new Set<string>()

  constructor(most = defaultMost) {
    this.#most = most
  }

  /**
   * Learns what was done in one go.
   * @returns what is to be announced: an address that was put with another MAC than
   * it had, or may have had before this agent ran; and one whose former owner is
   * gone only now.
   */
  after(done: readonly Done[]): readonly Announcement[] {
    for (const bridge of bridgesMade(done)) this.#whole.add(bridge)
    const announcements = done.flatMap((each) => this.#learn(each))
    for (const { operation } of done)
      if (operation.do === 'delete' && operation.item.kind === 'bridge') this.#forget(operation.item.name)
    return announcements
  }

  #learn({ operation, before }: Done): readonly Announcement[] {
    const { do: what, item } = operation
    if (what === 'put' && before?.kind === 'neighbour') this.#remember(...addressesOf(before))
    return addressesOf(item).flatMap((address) => {
      const last = this.#last.get(idOf(address))
      const isOther = last === undefined ? !this.#whole.has(address.bridge) : last.mac !== address.mac
      if (what === 'delete' && last && isOther) return [last]
      this.#remember(address)
      return what === 'put' && isOther ? [address] : []
    })
  }

  /** Nobody is on that bridge any more who could know a MAC. */
  #forget(bridge: string): void {
    this.#whole.delete(bridge)
    for (const [id, address] of this.#last) if (address.bridge === bridge) this.#last.delete(id)
  }

  #remember(...addresses: readonly Announcement[]): void {
    for (const address of addresses) {
      const id = idOf(address)
      this.#last.delete(id)
      this.#last.set(id, address)
    }
    for (const [id, { bridge }] of this.#last) {
      if (this.#last.size <= this.#most) return
      this.#last.delete(id)
      this.#whole.delete(bridge)
    }
  }
}

/** Those that were not there; but not when a sandbox was: somebody took its bridge away. */
function bridgesMade(done: readonly Done[]): ReadonlySet<string> {
  const made = new Set<string>()
  for (const { operation, before } of done)
    if (operation.do === 'put' && operation.item.kind === 'bridge' && !before) made.add(operation.item.name)
  for (const { operation, before } of done)
    if (operation.item.kind === 'veth' && before) made.delete(operation.item.bridge)
  return made
}

/** The addresses that an object gives a MAC to. */
function addressesOf(item: AnyItem): readonly Announcement[] {
  if (item.kind === 'neighbour') return [{ bridge: item.dev, address: item.address, mac: item.mac, port: undefined }]
  if (item.kind !== 'veth' || !item.inside?.mac) return []
  const { bridge, name: port, inside } = item
  const mac = parseMac(inside.mac)
  return inside.addresses.map((text) => ({ bridge, address: addressOf(text), mac, port }))
}

function addressOf(text: string): Ip {
  return parseIp(text.split('/')[0] ?? '')
}

function idOf({ bridge, address }: Announcement): string {
  return `${bridge} ${address}`
}
