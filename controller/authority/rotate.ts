/** Begins the change of the cluster's authority, and takes its steps. */
import { OverlayError } from '../../lib/errors.ts'
import { newAuthority, trustOf } from '../../lib/pki/authorities.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { AuthoritySet } from '../../proto/index.ts'
import { type Compare, type Entry, put, type Store, unchanged } from '../../store/store.ts'
import { type AuthorityParts, readAuthorities } from './parts.ts'
import { introduce, nextStep, type Step } from './rotation.ts'

const mostTries = 20
const betweenTries = { first: 5, most: 200 }

/**
 * Introduces a new authority, unless one is on its way in or out; with `force`
 * that one's next step is taken, whoever it waits for but hosts of the control plane.
 * @throws OverlayError `failed_precondition` when those are what it waits for; `unavailable`
 */
export async function rotate(parts: AuthorityParts, { force }: { readonly force: boolean }): Promise<void> {
  const { store, sealing, now, log } = parts
  for (let attempt = 0; attempt < mostTries; attempt++) {
    const { authorities, step } = await look(parts)
    if (step && !force) return
    if (step) refuseEssential(step)
    const { record } = step ? { record: undefined } : await newAuthority(sealing.key, 'INTRODUCED', now())
    const next = step ? step.next : record && introduce(authorities.value, record)
    if (next && (await write(store, authorities, next))) {
      if (step) tell(parts, step, 'authority changed by force')
      else log.info({ authority: record?.id }, 'new authority introduced')
      return
    }
    await pause(delayBefore(attempt, betweenTries))
  }
  throw new OverlayError('unavailable', 'the authorities are being changed all the time: try again')
}

/** Takes the steps that nobody keeps from being taken. `fence` holds only while nobody else is at it. */
export async function advance(parts: AuthorityParts, fence: Compare): Promise<void> {
  for (;;) {
    const { authorities, step } = await look(parts)
    if (!step || step.waitingFor.length > 0) return
    if (await write(parts.store, authorities, step.next, fence)) tell(parts, step, 'authority changed')
    else return
  }
}

/**
 * The authorities, and what comes next. The identities are read after them:
 * whoever is enrolled later is so under these authorities, or fails to.
 */
export async function look({ store, now }: Pick<AuthorityParts, 'store' | 'now'>) {
  const authorities = await readAuthorities(store)
  const { entries } = await store.list(store.keys.identities)
  const identities = entries.map(({ value }) => value)
  return { authorities, identities, step: nextStep(authorities.value, identities, now()) }
}

async function write(store: Store, before: Entry<AuthoritySet>, next: AuthoritySet, fence?: Compare): Promise<boolean> {
  const { keys } = store
  const outcome = await store.commit({
    compares: [unchanged(before), ...(fence ? [fence] : [])],
    writes: [put(keys.authorities, next, { over: before }), put(keys.trust, trustOf(next))],
  })
  return outcome.committed
}

/** @throws OverlayError `failed_precondition` */
function refuseEssential({ waitingFor }: Step): void {
  const lines = waitingFor.filter(({ essential }) => essential).map(({ line }) => line)
  if (lines.length === 0) return
  throw new OverlayError(
    'failed_precondition',
    `${lines.join('; ')}: also by force no host of the control plane is left behind, for etcd would fall apart; see in its log why it has not, or, if it is gone for good, revoke its certificate ("overlayctl cluster certs revoke controller/NAME")`,
  )
}

function tell({ log }: AuthorityParts, { authority, becomes, waitingFor }: Step, message: string): void {
  const without = waitingFor.slice(0, 20).map(({ line }) => line)
  log.info({ authority, becomes, ...(without.length > 0 && { without }) }, message)
}
