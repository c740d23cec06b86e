/** Which addresses are taken, of all networks: a bit of memory for each. */
import { isIP } from 'node:net'
import { type Ip, ipValue } from '../../lib/ip.ts'

/** Why an address cannot be chosen: it has an owner, or rests in quarantine. */
export type Taken = 'owned' | 'released'

/** What an address is, as bits; 0: free. */
export type AddressState = number
const bits: Readonly<Record<Taken, AddressState>> = { owned: 1, released: 2 }
export const resting: AddressState = bits.released

/** An IPv4 address as a small integer: with text, a hundred thousand of them would take three times the memory. */
export type Packed = number | Ip

export type OnAddress = (network: string, address: Packed, before: AddressState, now: AddressState) => void

export class TakenAddresses {
  readonly #states = new Map<string, Map<Packed, AddressState>>()
  readonly #onChange: OnAddress

  constructor(onChange: OnAddress) {
    this.#onChange = onChange
  }

  /** May be repeated. What is no address is passed over. */
  set(network: string, address: string, how: Taken, isTaken: boolean): void {
    const packed = pack(address)
    if (packed !== undefined) this.#set(network, packed, how, isTaken)
  }

  /** These, network and address, are all that are taken in that way. */
  setAll(how: Taken, all: Iterable<readonly [string, string]>): void {
    const now = new Map<string, Set<Packed>>()
    for (const [network, address] of all) {
      const packed = pack(address)
      if (packed === undefined) continue
      const there = now.get(network)
      if (there) there.add(packed)
      else now.set(network, new Set([packed]))
    }
    for (const [network, states] of this.#states)
      for (const packed of states.keys()) if (!now.get(network)?.has(packed)) this.#set(network, packed, how, false)
    for (const [network, addresses] of now) for (const packed of addresses) this.#set(network, packed, how, true)
  }

  of(network: string): Iterable<readonly [Packed, AddressState]> {
    return this.#states.get(network) ?? []
  }

  #set(network: string, packed: Packed, how: Taken, isTaken: boolean): void {
    const states = this.#states.get(network) ?? new Map<Packed, AddressState>()
    const before = states.get(packed) ?? 0
    const now = isTaken ? before | bits[how] : before & ~bits[how]
    if (now === before) return
    if (now === 0) states.delete(packed)
    else states.set(packed, now)
    if (states.size === 0) this.#states.delete(network)
    else this.#states.set(network, states)
    this.#onChange(network, packed, before, now)
  }
}

/** The address as a number. */
export function valueOf(packed: Packed): number | bigint {
  return typeof packed === 'number' ? packed >>> 0 : ipValue(packed)
}

function pack(text: string): Packed | undefined {
  const family = isIP(text)
  if (family === 4) return text.split('.').reduce((value, byte) => (value << 8) | Number(byte), 0)
  return family === 6 ? (text as Ip) : undefined
}
