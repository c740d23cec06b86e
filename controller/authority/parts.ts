/** What enrolment, renewal and rotation work with. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { activeAuthority, openAuthority } from '../../lib/pki/authorities.ts'
import type { Authority } from '../../lib/pki/issue.ts'
import type { AuthoritySet, ControlPlaneMember, Identity } from '../../proto/index.ts'
import { type Entry, OutcomeUnknownError, type Store, type Transaction } from '../../store/store.ts'
import type { SealingKey } from '../managed-options.ts'

/** What the cluster's own etcd knows of identities. */
export interface StoreAccess {
  ensure(identity: Identity): Promise<void>
  remove(identity: Identity): Promise<void>
  /** What is not as it should be. */
  check(): Promise<readonly string[]>
  /** Makes all as it should be. @returns what was wrong. */
  repair(): Promise<readonly string[]>
  /** As `repair`; from then on etcd asks who its clients are. */
  enable(): Promise<void>
}

export interface AuthorityParts {
  readonly store: Store
  readonly sealing: SealingKey
  /** Of certificates, in milliseconds. */
  readonly life: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
  /** This controller. */
  readonly self: { readonly id: string; readonly name: string }
  /** Undefined where somebody else runs etcd: its users are not ours. */
  readonly access: StoreAccess | undefined
  /** Of the control plane. */
  readonly members: () => Promise<readonly ControlPlaneMember[]>
  /** Takes the etcd of that host out of them. @throws OverlayError `not_found`; `failed_precondition` where the others need it. */
  readonly removeMember: (host: string) => Promise<void>
}

/** The authorities as they are now. @throws OverlayError `unavailable`, `failed_precondition` when there are none. */
export async function readAuthorities(store: Store): Promise<Entry<AuthoritySet>> {
  const entry = await store.get(store.keys.authorities)
  if (entry) return entry
  throw new OverlayError('failed_precondition', 'the store has no authority of this cluster any more: restore a backup')
}

/** Who signs. */
export function signer({ key }: SealingKey, set: AuthoritySet): { readonly id: string; readonly authority: Authority } {
  const record = activeAuthority(set)
  return { id: record.id, authority: openAuthority(key, record) }
}

/**
 * Commits; when the answer never comes, `isDone` is asked whether it did.
 * @returns whether it was committed.
 */
export async function commitSettled(
  store: Store,
  transaction: Transaction,
  isDone: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return (await store.commit(transaction)).committed
  } catch (error) {
    if (!(error instanceof OutcomeUnknownError)) throw error
    if (await isDone()) return true
    throw error
  }
}
