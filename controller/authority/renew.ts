/** New certificates for those who have one, and what they say they trust. */
import { OverlayError } from '../../lib/errors.ts'
import { bundleOf } from '../../lib/pki/authorities.ts'
import { issued, issueIdentity } from '../../lib/pki/enrolment.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { Caller } from '../../lib/rpc-access.ts'
import type {
  ConfirmRequest,
  ConfirmResponse,
  Identity as Record,
  RenewRequest,
  RenewResponse,
} from '../../proto/index.ts'
import { type Compare, type Entry, put, type Store, unchanged } from '../../store/store.ts'
import { type AuthorityParts, commitSettled, readAuthorities, signer } from './parts.ts'

const mostTries = 20
const betweenTries = { first: 5, most: 200 }

/**
 * A certificate of the caller's own identity, for another key. Whose it is, its
 * record does not say before the caller has shown it (see `confirm`): the answer
 * may get lost, and then the authority of the former one is needed still. Of a
 * controller it is refused: it has the authorities' keys itself.
 * @throws OverlayError `unauthenticated`, `failed_precondition`, `invalid`, `unavailable`.
 */
export async function renew(
  { store, sealing, life, now, log }: AuthorityParts,
  caller: Caller | undefined,
  { request }: RenewRequest,
): Promise<RenewResponse> {
  const { id, role, name } = ownId(caller)
  if (role === 'controller')
    throw new OverlayError('failed_precondition', 'controllers renew their certificates themselves')
  for (let attempt = 0; attempt < mostTries; attempt++) {
    const [authorities, entry] = [await readAuthorities(store), await ownRecord(store, id)]
    const signing = signer(sealing, authorities.value)
    const certificate = await issueIdentity(signing.authority, request, { id, role, name }, { life })
    const identity = { ...entry.value, ...issued(certificate, now()) }
    if (await writeOwn(store, entry, identity, [unchanged(authorities)])) {
      log.info({ id, role, name, notAfter: identity.notAfter }, 'certificate renewed')
      return { certificate, authorities: bundleOf(authorities.value), identity }
    }
    await pause(delayBefore(attempt, betweenTries))
  }
  throw changing()
}

/**
 * The caller trusts these, and has the certificate that it shows.
 * @throws OverlayError `unauthenticated`, `failed_precondition`, `unavailable`.
 */
export async function confirm(
  store: Store,
  caller: Caller | undefined,
  request: ConfirmRequest,
): Promise<ConfirmResponse> {
  const { id, authority } = ownId(caller)
  await writeTrusts(store, id, request.authorities, authority)
  return {}
}

/**
 * Of ids that are no authority's nothing is kept. `shown`: whose certificate the
 * identity has, where that is to be written too.
 */
export async function writeTrusts(store: Store, id: string, said: readonly string[], shown?: string): Promise<void> {
  for (let attempt = 0; attempt < mostTries; attempt++) {
    const [authorities, entry] = [await readAuthorities(store), await ownRecord(store, id)]
    const trusts = authorities.value.authorities.map((each) => each.id).filter((each) => said.includes(each))
    const authority = shown ?? entry.value.authority
    if (trusts.join() === entry.value.trusts.join() && authority === entry.value.authority) return
    if (await writeOwn(store, entry, { ...entry.value, trusts, authority }, [unchanged(authorities)])) return
    await pause(delayBefore(attempt, betweenTries))
  }
  throw changing()
}

function writeOwn(
  store: Store,
  entry: Entry<Record>,
  identity: Record,
  compares: readonly Compare[],
): Promise<boolean> {
  const key = store.keys.identity(identity.id)
  const isWritten = async () => JSON.stringify((await store.get(key))?.value) === JSON.stringify(identity)
  const writes = [put(key, identity, { over: entry })]
  return commitSettled(store, { compares: [unchanged(entry), ...compares], writes }, isWritten)
}

function ownId(caller: Caller | undefined): Caller & { readonly id: string } {
  if (!caller) throw new OverlayError('unauthenticated', 'show the certificate that is to be renewed or confirmed for')
  const { id } = caller
  if (id === undefined)
    throw new OverlayError('failed_precondition', 'this certificate is of another authority: get a new one there')
  return { ...caller, id }
}

async function ownRecord(store: Store, id: string): Promise<Entry<Record>> {
  const entry = await store.get(store.keys.identity(id))
  if (entry) return entry
  throw new OverlayError('unauthenticated', `the identity ${id} was revoked: join the cluster again with a token`)
}

function changing(): OverlayError {
  return new OverlayError('unavailable', 'this identity, or the authorities, are being changed all the time: try again')
}
