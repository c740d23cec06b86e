/** Takes identities away. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Identity as Caller } from '../../lib/pki/identity.ts'
import { quote } from '../../lib/quote.ts'
import type { Identity, RevokeRequest } from '../../proto/index.ts'
import { type Entry, remove, unchanged } from '../../store/store.ts'
import type { AuthorityParts, StoreAccess } from './parts.ts'

const mostTries = 10

/**
 * With a controller its host goes from the control plane: its etcd, whose
 * certificate knows no identity, is no member any more.
 * @throws OverlayError `invalid`, `not_found`; `failed_precondition` for what
 * would lock somebody out who should not be, for nodes, which go with `node rm`,
 * and while the others need that etcd; `unavailable`
 */
export async function revoke(
  parts: Pick<AuthorityParts, 'store' | 'access' | 'self' | 'log' | 'removeMember'>,
  { identity: reference }: RevokeRequest,
  caller: Caller | undefined,
): Promise<Identity> {
  const { store, access, self, log, removeMember } = parts
  for (let attempt = 0; attempt < mostTries; attempt++) {
    const { entries } = await store.list(store.keys.identities)
    const found = findIdentity(entries, reference)
    const { id, role, name } = found.value
    refuse(found.value, { caller, self: self.id })
    const heir = entries.find(({ value }) => value.role === 'admin' && value.id !== id)
    // A controller that leaves takes its host's admin along; who is root on another one is still let in.
    if (role === 'admin' && !heir && caller?.role !== 'controller')
      throw new OverlayError(
        'failed_precondition',
        `${name} is the last admin: let another in first ("overlayctl cluster token create --role admin")`,
      )
    // First: where the others need it, all stays as it is.
    if (role === 'controller' && access)
      await removeMember(name).catch((error: unknown) => {
        if (!hasCode(error, 'not_found')) throw error
      })
    // Two who revoke each other's: one of them stays.
    const compares = [unchanged(found), ...(role === 'admin' && heir ? [unchanged(heir)] : [])]
    const outcome = await store.commit({ compares, writes: [remove(store.keys.identity(id))] })
    if (!outcome.committed) continue
    log.info({ id, role, name, by: caller && `${caller.role}/${caller.name}` }, 'identity revoked')
    await withdraw(access, [found.value], log)
    return found.value
  }
  throw new OverlayError('unavailable', 'this identity is being changed all the time: try again')
}

/** Takes them out of etcd's users; what fails of that the leader makes good. */
export async function withdraw(
  access: StoreAccess | undefined,
  identities: readonly Identity[],
  log: Logger,
): Promise<void> {
  for (const identity of identities)
    await access?.remove(identity).catch((error: unknown) => {
      log.warn({ err: OverlayError.from(error), id: identity.id }, 'its user in etcd cannot be removed yet')
    })
}

/** @throws OverlayError `failed_precondition` */
function refuse({ id, role, name }: Identity, { caller, self }: { caller: Caller | undefined; self: string }): void {
  if (role === 'node')
    throw new OverlayError(
      'failed_precondition',
      `${name} is a node: "overlayctl node rm ${name}" revokes its certificate`,
    )
  // A host that leaves the control plane says so with the controller's own certificate.
  if (caller?.role === 'controller') return
  if (id === self)
    throw new OverlayError('failed_precondition', `${name} is this very controller: ask another one (--controller)`)
  if (id === caller?.id)
    throw new OverlayError('failed_precondition', 'this is your own identity: another admin can revoke it')
}

/** By its id, the beginning of that, or ROLE/NAME. */
export function findIdentity(entries: readonly Entry<Identity>[], reference: string): Entry<Identity> {
  const isId = /^[0-9a-f]{1,16}$/.test(reference)
  const found = entries.filter(({ value: { id, role, name } }) =>
    isId ? id.startsWith(reference) : `${role}/${name}` === reference,
  )
  const [first, second] = found
  if (first && !second) return first
  const list = '"overlayctl cluster certs"'
  if (!isId && !/^[a-z]+\/[^/]+$/.test(reference))
    throw new OverlayError('invalid', `${quote(reference)} is not an identity: give its id, or ROLE/NAME (see ${list})`)
  if (!first) throw new OverlayError('not_found', `there is no identity ${quote(reference)}: see ${list}`)
  const ids = found.slice(0, 5).map(({ value: { id, role, name } }) => `${id} (${role}/${name})`)
  throw new OverlayError('invalid', `${reference} is several identities: ${ids.join(', ')}; give more of its id`)
}
