/** Which subnets run out of addresses. What one address costs does not grow with its network. */
import { type Family, parseCidr } from '../../lib/ip.ts'
import type { Subnet } from '../../proto/index.ts'
import { type Bounds, choiceOf, sizeOf } from '../ipam/usage.ts'
import type { Board } from './board.ts'
import { type AddressState, type Packed, resting, type Taken, TakenAddresses, valueOf } from './taken-addresses.ts'

/** Of the addresses that a subnet gives: there are enough, few are left, or none. */
export type Stage = 'enough' | 'few' | 'none'

/** Shares that are taken. What was told stays true until it is well below, or every attach and detach would be told. */
const shares = { few: { from: 0.9, until: 0.85 }, none: { until: 0.95 } }

export function stageOf(before: Stage, taken: number, size: number): Stage {
  if (taken >= size) return 'none'
  const share = taken / size
  if (before === 'none' && share >= shares.none.until) return 'none'
  return share >= (before === 'enough' ? shares.few.from : shares.few.until) ? 'few' : 'enough'
}

/** A subnet that there is, and what is taken of it. */
interface Watched {
  readonly family: Family
  readonly subnet: Subnet
  readonly choice: Bounds
  readonly size: number
  owned: number
  /** In quarantine. */
  resting: number
  stage: Stage
}

/**
 * Posts one matter per network and family. An address that rests counts as
 * taken: until it is free again, it is nobody's to choose.
 */
export class Exhaustion {
  readonly #board: Board
  readonly #watched = new Map<string, readonly Watched[]>()
  readonly #addresses = new TakenAddresses((network, address, before, now) => {
    for (const watched of this.#watched.get(network) ?? []) {
      if (!isChoice(watched, address)) continue
      count(watched, before, -1)
      count(watched, now, 1)
      this.#review(network, watched)
    }
  })

  constructor(board: Board) {
    this.#board = board
  }

  /** The network's subnets as they are now; none when it was removed. */
  setNetwork(name: string, subnets: readonly Subnet[]): void {
    const before = this.#watched.get(name) ?? []
    const now = subnets.map((subnet) => watch(subnet, before))
    if (subnets.length > 0) this.#watched.set(name, now)
    else this.#watched.delete(name)
    for (const [address, state] of this.#addresses.of(name))
      for (const watched of now) if (isChoice(watched, address)) count(watched, state, 1)
    for (const { family } of before) if (!now.some((one) => one.family === family)) this.#clear(name, family)
    for (const watched of now) this.#review(name, watched, true)
  }

  set(network: string, address: string, how: Taken, isTaken: boolean): void {
    this.#addresses.set(network, address, how, isTaken)
  }

  setAll(how: Taken, all: Iterable<readonly [string, string]>): void {
    this.#addresses.setAll(how, all)
  }

  #review(network: string, watched: Watched, isNew = false): void {
    const stage = stageOf(watched.stage, watched.owned + watched.resting, watched.size)
    if (stage === watched.stage && !isNew) return
    watched.stage = stage
    if (stage === 'enough') return this.#clear(network, watched.family)
    this.#board.post({
      key: keyOf(network, watched.family),
      network,
      gist: `${stage} ${placeOf(watched)}`,
      problem: () => problemOf(watched),
      message: () => `${problemOf(watched)}; ${wayOut(network, watched)}`,
    })
  }

  #clear(network: string, family: Family): void {
    this.#board.clear(network, keyOf(network, family))
  }
}

function keyOf(network: string, family: Family): string {
  return `${network} addresses IPv${family}`
}

function watch(subnet: Subnet, before: readonly Watched[]): Watched {
  const { family } = parseCidr(subnet.cidr)
  const choice = choiceOf(subnet)
  const stage = before.find((one) => one.family === family)?.stage ?? 'enough'
  return { family, subnet, choice, size: Number(sizeOf(choice)), owned: 0, resting: 0, stage }
}

function isChoice({ family, choice: { first, last } }: Watched, address: Packed): boolean {
  if ((typeof address === 'number') !== (family === 4)) return false
  const value = valueOf(address)
  return first <= value && value <= last
}

function count(watched: Watched, state: AddressState, by: 1 | -1): void {
  if (state === resting) watched.resting += by
  else if (state !== 0) watched.owned += by
}

function placeOf({ subnet: { cidr, ipRange } }: Watched): string {
  return ipRange ? `range ${ipRange} of subnet ${cidr}` : `subnet ${cidr}`
}

function problemOf(watched: Watched): string {
  const { size, owned, resting: rest } = watched
  const left = Math.max(0, size - owned - rest)
  const quarantined = rest > 0 ? `, ${rest} of them in quarantine` : ''
  return left === 0
    ? `all ${size} addresses of ${placeOf(watched)} are taken${quarantined}: nothing more can be attached`
    : `${owned + rest} of the ${size} addresses of ${placeOf(watched)} are taken${quarantined}: ${left} left`
}

function wayOut(network: string, { subnet }: Watched): string {
  const grow = subnet.ipRange
    ? `widen the range (overlayctl update ${network} --ip-range CIDR)`
    : `grow the subnet (overlayctl update ${network} --subnet CIDR)`
  return `${grow}, or detach what is not needed`
}
