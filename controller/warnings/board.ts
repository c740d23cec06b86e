/** All that there is to warn of now, and who is told when that changes. */
import type { Difference } from '../differences.ts'
import type { Warning } from './warnings.ts'

/** Something to warn of. */
export interface Matter {
  /** Tells it from others: the same key, the same matter. */
  readonly key: string
  readonly network: string
  /** What is worth telling anew when it changes: not every figure in the message is. */
  readonly gist: string
  /** For people, as it is at the time of the call: what is wrong. */
  readonly problem: () => string
  /** And what to do. */
  readonly message: () => string
}

/** Calls once after so many milliseconds. */
export type Later = (milliseconds: number, call: () => void) => void

/**
 * What one change of the store does comes in several watches, one after the
 * other: in between it looks otherwise than it is. A matter is told when it has
 * been the same for so many milliseconds, or changes all the time.
 */
const settling = 100
const mostRounds = 10

/** A matter that is to be told of. */
interface Unsettled {
  readonly network: string
  /** How often it has been passed over. */
  rounds: number
  /** Changed again since the last round. */
  isMoving: boolean
}

interface Told {
  readonly gist: string
  readonly warning: Warning
}

export class Board {
  /** By network, then by key. */
  readonly #posted = new Map<string, Map<string, Matter>>()
  /** As each was told last, by key. */
  readonly #told = new Map<string, Told>()
  /** By key. */
  readonly #unsettled = new Map<string, Unsettled>()
  readonly #listeners = new Set<(difference: Difference<Warning>) => void>()
  readonly #later: Later

  constructor(later: Later = inTime) {
    this.#later = later
  }

  /** Warns of it, or goes on to. */
  post(matter: Matter): void {
    const { network, key } = matter
    const ofNetwork = this.#posted.get(network) ?? new Map<string, Matter>()
    this.#posted.set(network, ofNetwork)
    ofNetwork.set(key, matter)
    if (this.#told.get(key)?.gist !== matter.gist) this.#tellLater(network, key)
  }

  /** It is not so, or not any more. */
  clear(network: string, key: string): void {
    const ofNetwork = this.#posted.get(network)
    if (!ofNetwork?.delete(key)) return
    if (ofNetwork.size === 0) this.#posted.delete(network)
    this.#tellLater(network, key)
  }

  get count(): number {
    return [...this.#posted.values()].reduce((sum, ofNetwork) => sum + ofNetwork.size, 0)
  }

  /** The first ones, by network. To put one into words takes time. */
  all(most = Number.POSITIVE_INFINITY): readonly Warning[] {
    return this.#matters().slice(0, most).map(warningOf)
  }

  of(network: string): readonly Warning[] {
    return Array.from(this.#posted.get(network)?.values() ?? [], warningOf)
  }

  told(most = Number.POSITIVE_INFINITY): readonly Warning[] {
    return Array.from(this.#told.values(), ({ warning }) => warning)
      .toSorted((a, b) => (a.network < b.network ? -1 : a.network > b.network ? 1 : 0))
      .slice(0, most)
      .map((warning) => {
        const matter = this.#posted.get(warning.network)?.get(warning.key)
        return matter ? warningOf(matter) : warning
      })
  }

  onDifference(listener: (difference: Difference<Warning>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #matters(): readonly Matter[] {
    return [...this.#posted.keys()].toSorted().flatMap((network) => [...(this.#posted.get(network)?.values() ?? [])])
  }

  #tellLater(network: string, key: string): void {
    const there = this.#unsettled.get(key)
    if (there) {
      there.isMoving = true
      return
    }
    const isFirst = this.#unsettled.size === 0
    this.#unsettled.set(key, { network, rounds: 0, isMoving: false })
    if (isFirst) this.#later(settling, () => this.#settle())
  }

  #settle(): void {
    for (const [key, one] of this.#unsettled) {
      if (one.isMoving && one.rounds++ < mostRounds) {
        one.isMoving = false
        continue
      }
      this.#unsettled.delete(key)
      this.#tellOf(one.network, key)
    }
    if (this.#unsettled.size > 0) this.#later(settling, () => this.#settle())
  }

  /** What is again as it was told makes no difference. */
  #tellOf(network: string, key: string): void {
    const before = this.#told.get(key)
    const matter = this.#posted.get(network)?.get(key)
    if (before?.gist === matter?.gist) return
    if (!matter) {
      this.#told.delete(key)
      if (before) this.#tell({ kind: 'removed', before: before.warning })
      return
    }
    const now = warningOf(matter)
    this.#told.set(key, { gist: matter.gist, warning: now })
    this.#tell(before ? { kind: 'updated', before: before.warning, now } : { kind: 'created', now })
  }

  #tell(difference: Difference<Warning>): void {
    for (const tell of this.#listeners) tell(difference)
  }
}

/** It keeps no process alive. */
function inTime(milliseconds: number, call: () => void): void {
  setTimeout(call, milliseconds).unref()
}

function warningOf({ key, network, problem, message }: Matter): Warning {
  return { key, network, problem: problem(), message: message() }
}
