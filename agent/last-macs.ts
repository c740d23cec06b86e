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

export class LastMacs {
  readonly #most: number
  readonly #last = new Map<string, Announcement>()

  constructor(most = defaultMost) {
    this.#most = most
  }

  /**
   * Learns what an operation did that succeeded. `before`: what was in its place.
   * @returns what is to be announced: an address that was put with another MAC than
   * it had, or whose former owner is gone only now.
   */
  after({ do: what, item }: Operation, before: AnyItem | undefined): readonly Announcement[] {
    if (what === 'put' && before?.kind === 'neighbour') this.#remember(...addressesOf(before))
    return addressesOf(item).flatMap((address) => {
      const last = this.#last.get(idOf(address))
      const isOther = last !== undefined && last.mac !== address.mac
      if (what === 'delete' && isOther) return [last]
      this.#remember(address)
      return isOther ? [address] : []
    })
  }

  #remember(...addresses: readonly Announcement[]): void {
    for (const address of addresses) {
      const id = idOf(address)
      this.#last.delete(id)
      this.#last.set(id, address)
    }
    for (const id of this.#last.keys()) {
      if (this.#last.size <= this.#most) return
      this.#last.delete(id)
    }
  }
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
