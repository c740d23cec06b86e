/** Randomness that a seed gives again: a run's decisions are drawn from it, a stream for each who decides. */

export interface Random {
  /** From 0, and below 1. */
  next(): number
  /** A whole number from 0, and below `count`. */
  below(count: number): number
  /** True in this share of cases. */
  chance(share: number): boolean
  /** @throws RangeError when there is nothing to pick from. */
  pick<T>(from: readonly T[]): T
  /** One of the keys, as often as its weight is of all. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K
}

/** Streams of one seed are independent of each other. */
export function createRandom(seed: number, stream: string): Random {
  const next = mulberry32(hash(`${seed}/${stream}`))
  const below = (count: number) => Math.floor(next() * count)
  return {
    next,
    below,
    chance: (share) => next() < share,
    pick<T>(from: readonly T[]) {
      if (from.length === 0) throw new RangeError('there is nothing to pick from')
      return from[below(from.length)] as T
    },
    weighted<K extends string>(weights: Readonly<Record<K, number>>) {
      const entries = Object.entries(weights) as [K, number][]
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [key, weight] of entries) {
        if (left < weight) return key
        left -= weight
      }
      throw new RangeError('there is nothing to pick from')
    },
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193)
  return value >>> 0
}

/** Tommy Ettinger's generator of 32 bits of state: small, and good enough to choose faults by. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
