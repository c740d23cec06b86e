/** Which identities the cluster has now: what is not among them is revoked. */
import { setMaxListeners } from 'node:events'
import { OverlayError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/pki/identity.ts'
import { within } from '../../lib/within.ts'
import type { Identity as IdentityRecord } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { subject } from '../differences.ts'
import type { RangeView } from '../range-view.ts'

/** Revoked identities that are remembered: their callers cost the store nothing. */
const mostRevoked = 10_000

export interface Identities {
  /**
   * At once, without a word to the store, for one that is seen; one that is not
   * is looked up once: it may have been made a moment ago.
   * @returns what aborts when it is revoked, with an OverlayError
   * `unauthenticated` as its reason.
   * @throws OverlayError `unauthenticated` when it is revoked; `unavailable`
   * when the store does not tell.
   */
  current(identity: Identity): Promise<AbortSignal>
  /** Its record, as far as it was seen. */
  recordOf(identity: Identity): IdentityRecord | undefined
}

export interface IdentitiesOptions {
  readonly store: Store
  /** As the store has them; without the store, what was seen stays true. */
  readonly view: RangeView<IdentityRecord>
  /** Milliseconds that a call waits for what the store has not told yet; default 3,000. */
  readonly patience?: number
}

export function viewIdentities({ store, view, patience = 3_000 }: IdentitiesOptions): Identities {
  const { keys } = store
  const revocations = new Map<string, AbortController>()
  const lookups = new Map<string, Promise<void>>()
  // An id never comes back, but with the whole store: then the view has it.
  const gone = new Set<string>()

  view.onDifference((difference) => {
    const { id, role, name } = subject(difference)
    const was = revocations.get(id)
    if (!was || (difference.kind === 'updated' && isSame(difference.now, difference.before))) return
    revocations.delete(id)
    was.abort(revoked({ role, name }))
  })

  const recordOf = ({ role, name, id }: Identity) => {
    const record = id === undefined ? undefined : view.entries.get(keys.identity(id).path)?.value
    return record?.id === id && record && isSame(record, { role, name }) ? record : undefined
  }
  const seen = (identity: Identity) => recordOf(identity) !== undefined

  /** Returns once the view has it. @throws OverlayError `unauthenticated`, `unavailable` */
  const lookUp = async (identity: Identity, id: string) => {
    const key = keys.identity(id)
    if (await store.get(key))
      return until(
        (tell) => view.onDifference(tell),
        () => view.entries.has(key.path),
        patience,
      )
    if (gone.size >= mostRevoked) gone.clear()
    gone.add(id)
    throw revoked(identity)
  }

  const missed = async (identity: Identity) => {
    const { id } = identity
    if (id === undefined || view.entries.has(keys.identity(id).path) || gone.has(id)) throw revoked(identity)
    const pending = lookups.get(id) ?? lookUp(identity, id).finally(() => lookups.delete(id))
    lookups.set(id, pending)
    await pending
    if (!seen(identity)) throw revoked(identity)
  }

  return {
    recordOf,
    async current(identity) {
      if (!seen(identity)) {
        await within(view.inSync, patience, notTold())
        if (!seen(identity)) await missed(identity)
      }
      const id = identity.id ?? ''
      const known = revocations.get(id)
      if (known) return known.signal
      const made = new AbortController()
      // As many listen as there are streams of one identity.
      setMaxListeners(0, made.signal)
      revocations.set(id, made)
      return made.signal
    },
  }
}

/** Once it holds; `listen` tells when to look again. @throws OverlayError `unavailable` */
async function until(listen: (look: () => void) => () => void, holds: () => boolean, patience: number): Promise<void> {
  let end = () => {}
  const held = new Promise<void>((resolve) => {
    end = listen(() => holds() && resolve())
    if (holds()) resolve()
  })
  await within(held, patience, notTold()).finally(end)
}

function isSame(one: Who, other: Who): boolean {
  return one.role === other.role && one.name === other.name
}

type Who = Pick<IdentityRecord, 'role' | 'name'>

function notTold(): OverlayError {
  return new OverlayError(
    'unavailable',
    'this controller cannot tell yet whose certificates are valid, because the store has not told it: try again in a moment',
  )
}

function revoked({ role, name }: Who): OverlayError {
  const again =
    role === 'node' || role === 'controller'
      ? 'join the cluster again on its host (overlayctl cluster join, with a new token)'
      : 'ask for a new one (overlayctl cluster join, with a new token)'
  return new OverlayError('unauthenticated', `the certificate of ${role} ${name} was revoked: ${again}`)
}
