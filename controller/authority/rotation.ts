/**
 * The change of the cluster's authority, step by step: which step comes next,
 * and whom it waits for. Introduced: everybody comes to trust the new one.
 * Then it becomes active, the old one retires, and everybody gets a certificate
 * of the new one. Then the old one goes. Each step is one write; between them
 * anything may be restarted, or change hands.
 */
import { OverlayError } from '../../lib/errors.ts'
import type { Authority, AuthoritySet, Identity } from '../../proto/index.ts'

export interface Step {
  /** What the set is after it. */
  readonly next: AuthoritySet
  /** Where it leads, for the log: `active` or `gone`. */
  readonly becomes: 'active' | 'gone'
  /** The authority whose step it is. */
  readonly authority: string
  /** One for each that keeps it from being taken; empty: nothing does. */
  readonly waitingFor: readonly Awaited[]
}

/** Somebody who would lose touch with the cluster by a step. */
export interface Awaited {
  /** For people: who it is, and what there is to do. */
  readonly line: string
  /**
   * Of a host of the control plane: by force neither is it left behind. Its etcd
   * would find no other members any more, nor they it.
   */
  readonly essential: boolean
}

/** Undefined while no authority is on its way in or out. `now` is in milliseconds since the epoch. */
export function nextStep(set: AuthoritySet, identities: Iterable<Identity>, now: number): Step | undefined {
  const living = [...identities].filter(({ notAfter }) => Date.parse(notAfter) > now)
  const introduced = set.authorities.find(({ state }) => state === 'INTRODUCED')
  if (introduced) return activation(set, introduced, living, now)
  const retiring = set.authorities.filter(({ state }) => state === 'RETIRING')
  return retiring.length > 0 ? retirement(set, retiring, living) : undefined
}

/** @throws OverlayError `failed_precondition` when one is under way already. */
export function introduce(set: AuthoritySet, authority: Authority): AuthoritySet {
  if (set.authorities.some(({ state }) => state !== 'ACTIVE'))
    throw new OverlayError('failed_precondition', 'the authority is being changed already')
  return { authorities: [...set.authorities, authority] }
}

const isHost = ({ role }: Identity) => role === 'node' || role === 'controller'

/** A host hears of a new authority by itself, a person's overlayctl with the next command. */
function awaited(identity: Identity, lack: string): Awaited {
  const { role, name } = identity
  const remedy = isHost(identity) ? '' : `: any overlayctl command as ${role} ${name} does it`
  return { line: `${role} ${name} ${lack}${remedy}`, essential: role === 'controller' }
}

function activation(set: AuthoritySet, introduced: Authority, living: readonly Identity[], now: number): Step {
  const since = new Date(now).toISOString()
  const authorities = set.authorities.map((authority): Authority => {
    if (authority === introduced) return { ...authority, state: 'ACTIVE', since }
    return authority.state === 'ACTIVE' ? { ...authority, state: 'RETIRING', since } : authority
  })
  const waitingFor = living
    .filter(({ trusts }) => !trusts.includes(introduced.id))
    .map((identity) => awaited(identity, 'does not trust the new authority yet'))
  return { next: { authorities }, becomes: 'active', authority: introduced.id, waitingFor }
}

/**
 * Whoever joins or renews from now on gets a certificate of the active one: that
 * no certificate of the old one is left stays true once it is.
 */
function retirement(set: AuthoritySet, retiring: readonly Authority[], living: readonly Identity[]): Step {
  const ids = retiring.map(({ id }) => id)
  const active = set.authorities.find(({ state }) => state === 'ACTIVE')?.id ?? ''
  const waitingFor = living
    .filter(({ authority }) => ids.includes(authority))
    // A person whom force has left behind trusts no controller, and cannot renew; a host may still be connected.
    .filter((identity) => isHost(identity) || identity.trusts.includes(active))
    .map((identity) => awaited(identity, 'still has a certificate of the old authority'))
  const authorities = set.authorities.filter(({ id }) => !ids.includes(id))
  return { next: { authorities }, becomes: 'gone', authority: ids.join(', '), waitingFor }
}
