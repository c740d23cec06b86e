/**
 * Tells of repairs, in the log and to whoever listens. Each is told once; of an
 * object that is mended again and again, because somebody else keeps changing it,
 * ever less often, with how many times it was.
 */
import type { Logger } from '../../lib/log.ts'
import { type Backoff, delayBefore } from '../../lib/retry.ts'
import { type Deviation, Repairs as RepairsMessage } from '../../proto/index.ts'
import { itemId } from '../state/item.ts'
import { deviationOf } from './deviation.ts'
import type { Finding } from './drift.ts'

/** Repairs of one object that are told as they come. */
const toldAtOnce = 10
/** Between the later tellings of that object, in milliseconds. */
const retelling: Backoff = { first: 2_000, most: 300_000 }
/** After so many milliseconds without a repair, and without one to be told, all begins anew. */
const quietTime = 30_000
/** Objects that were mended lately, and are remembered. */
const mostRemembered = 1_000
/** Told one by one between two ticks; more are only counted. */
const mostAtOnce = 50

interface Repeated {
  /** The last one that was not told. */
  untold: Finding | undefined
  times: number
  tellings: number
  tellAt: number
  mendedAt: number
}

export class Repairs {
  readonly #log: Logger
  readonly #now: () => number
  readonly #listeners = new Set<(repairs: RepairsMessage) => void>()
  /** By the object's id, the one mended last at the end. */
  readonly #lately = new Map<string, Repeated>()
  #told = 0
  #more = 0

  /** `now` is a monotonic clock in milliseconds. */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log
    this.#now = now
  }

  /** What is told from now on. @returns how to end that. */
  onTold(listener: (repairs: RepairsMessage) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  note(findings: readonly Finding[]): void {
    this.#tell(findings.flatMap((finding) => this.#due(finding) ?? []))
  }

  /** To be called every second or so: tells what had to wait. */
  tick(): void {
    this.#told = 0
    const now = this.#now()
    const due: Deviation[] = []
    for (const [id, one] of this.#lately) {
      if (now < one.tellAt) continue
      if (one.untold) due.push(this.#again(one, one.untold))
      else if (now - one.mendedAt > quietTime) this.#lately.delete(id)
    }
    this.#tell(due)
    if (this.#more > 0) this.#send([])
  }

  #due(finding: Finding): Deviation | undefined {
    if (finding.wentWithLink) {
      this.#more++
      return undefined
    }
    const id = itemId(finding.operation.item)
    const now = this.#now()
    const one = this.#lately.get(id) ?? { untold: undefined, times: 0, tellings: 0, tellAt: now, mendedAt: now }
    this.#lately.delete(id)
    for (const [oldest, { untold }] of this.#lately) {
      if (this.#lately.size < mostRemembered) break
      this.#lately.delete(oldest)
      if (untold) this.#more++
    }
    this.#lately.set(id, one)
    one.times++
    one.untold = finding
    one.mendedAt = now
    return now < one.tellAt ? undefined : this.#again(one, finding)
  }

  #again(one: Repeated, finding: Finding): Deviation {
    const { times } = one
    one.untold = undefined
    one.times = 0
    const later = ++one.tellings - toldAtOnce
    one.tellAt = this.#now() + (later < 0 ? 0 : delayBefore(later, retelling))
    return deviationOf(finding, { times })
  }

  #tell(deviations: readonly Deviation[]): void {
    const told = deviations.slice(0, Math.max(0, mostAtOnce - this.#told))
    this.#told += told.length
    this.#more += deviations.length - told.length
    if (told.length > 0) this.#send(told)
  }

  #send(deviations: readonly Deviation[]): void {
    const more = this.#more
    this.#more = 0
    for (const { kind, object, network, endpointId, wanted, found, times } of deviations)
      this.#log.warn(
        { kind, object, network, endpoint: endpointId, wanted, found, ...(times > 1 && { times }) },
        times > 1 ? 'mended again and again: somebody else changes it' : 'was not as it should be: mended',
      )
    if (more > 0) this.#log.warn({ more }, 'more was mended')
    const message = RepairsMessage.create({ deviations: [...deviations], more })
    for (const listener of this.#listeners) listener(message)
  }
}
