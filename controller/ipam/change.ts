/** A change that takes addresses away: in one transaction with the rest that they go into. */
import { hasCode } from '../../lib/errors.ts'
import type { Ip } from '../../lib/ip.ts'
import { putToRest, type Quarantine } from '../../store/quarantine.ts'
import type { Outcome, Store, Transaction, Write } from '../../store/store.ts'

export interface Change {
  readonly writes: readonly Write[]
  /** Addresses that go into quarantine with it. */
  readonly resting: readonly Resting[]
}

export interface Resting {
  readonly network: string
  readonly ip: Ip
  /** Whose it was. */
  readonly node: string
}

/** @returns undefined when the quarantine's lease was gone: nothing was written, and the next attempt has another. */
export async function commitChange(
  store: Store,
  quarantine: Quarantine,
  { writes, resting }: Change,
  conditions: Omit<Transaction, 'writes'>,
): Promise<Outcome | undefined> {
  if (resting.length === 0) return store.commit({ ...conditions, writes })
  const rest = await quarantine.lease()
  const rests = resting.map(({ network, ip, node }) => putToRest(store.keys, network, ip, node, rest))
  try {
    return await store.commit({ ...conditions, writes: [...writes, ...rests] })
  } catch (error) {
    if (!hasCode(error, 'conflict')) throw error
    quarantine.forget(rest)
    return undefined
  }
}
