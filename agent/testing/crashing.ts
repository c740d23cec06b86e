/**
 * Programs that die between any two steps, for tests: they hang for ever at one,
 * as after `kill -9`; or that never hear what became of a transaction.
 */
import { pause } from '../../lib/retry.ts'
import { OutcomeUnknownError, type Store } from '../../store/store.ts'
import type { Kernel } from '../kernel/kernel.ts'

/** What stands between a program and its surroundings. */
export interface Between {
  store(store: Store): Store
  kernel(kernel: Kernel): Kernel
}

export interface Mishap {
  /** After so many steps from now. */
  readonly steps: number
  /**
   * Death `before` the step, or when it is `done`, but its answer not there;
   * `late`: a transaction is carried out after the death, any other step not at
   * all. `unanswered`: it lives on, and the transaction is carried out late.
   */
  readonly kind: 'before' | 'done' | 'late' | 'unanswered'
  /** How late, in milliseconds. */
  readonly lateBy: number
}

export interface Mortal extends Between {
  /** In place of what was to befall it before. */
  befall(mishap: Mishap): void
  /** From now on nothing befalls it; what is dead stays so. */
  spare(): void
  /** Does something that is a step too, beside what goes through `store` and `kernel`. */
  step<T>(action: () => Promise<T>): Promise<T>
  readonly isDead: boolean
  /** Resolves with the death. */
  readonly death: Promise<void>
  /** Resolves when what was to be carried out late has been. */
  aftermath(): Promise<void>
}

const never = new Promise<never>(() => undefined)

/** A step is a transaction, a lease, or a batch of operations for the kernel. Reads only end with the death. */
export function createMortal(): Mortal {
  let steps = 0
  let end: (Mishap & { readonly at: number }) | undefined
  let aftermath: Promise<unknown> = Promise.resolve()
  let isDead = false
  let tellDeath = () => {}
  const death = new Promise<void>((resolve) => {
    tellDeath = resolve
  })
  const die = () => {
    isDead = true
    tellDeath()
  }
  const step = async <T>(action: () => Promise<T>, mayBeLate = false): Promise<T> => {
    if (isDead) return never
    const isLast = end !== undefined && ++steps >= end.at
    if (end && isLast && end.kind !== 'done') {
      const { kind, lateBy } = end
      const isLost = kind !== 'before' && mayBeLate
      if (isLost) aftermath = Promise.allSettled([aftermath, pause(lateBy).then(action)])
      if (kind !== 'unanswered') die()
      else end = undefined
      if (isLost && !isDead) throw new OutcomeUnknownError(new Error('the answer was lost'))
      return isDead ? never : action()
    }
    const settled = action()
    if (isLast) {
      await settled.catch(() => undefined)
      // It may have been spared meanwhile.
      if (end) die()
    }
    return unlessDead(settled)
  }
  const unlessDead = async <T>(promise: Promise<T>): Promise<T> => {
    try {
      const value = await promise
      return isDead ? await never : value
    } catch (error) {
      return isDead ? never : Promise.reject(error)
    }
  }
  async function* followed<T>(updates: AsyncIterable<T>): AsyncGenerator<T, void> {
    for await (const update of updates) {
      if (isDead) return never
      yield update
    }
  }
  return {
    get isDead() {
      return isDead
    },
    death,
    step,
    aftermath: async () => void (await aftermath),
    spare() {
      end = undefined
    },
    befall(mishap) {
      end = { ...mishap, at: steps + mishap.steps }
    },
    store: (store) => ({
      ...store,
      get: (key) => unlessDead(store.get(key)),
      list: (range, options) => unlessDead(store.list(range, options)),
      paths: (range) => unlessDead(store.paths(range)),
      page: (range, options) => unlessDead(store.page(range, options)),
      count: (range) => unlessDead(store.count(range)),
      probe: () => unlessDead(store.probe()),
      commit: (transaction) => step(() => store.commit(transaction), true),
      grantLease: (ttl, options) => step(() => store.grantLease(ttl, options)),
      follow: (range, signal) => followed(store.follow(range, signal)),
    }),
    kernel: (kernel) =>
      new Proxy(kernel, {
        get(target, property) {
          if (property === 'apply')
            return (operations: Parameters<Kernel['apply']>[0]) => step(() => target.apply(operations))
          if (property === 'observe') return () => unlessDead(target.observe())
          if (property === 'linkAddresses') return () => unlessDead(target.linkAddresses())
          if (property === 'hostRoutes') return () => unlessDead(target.hostRoutes())
          const value: unknown = Reflect.get(target, property, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      }),
  }
}
