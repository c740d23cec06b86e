/**
 * Keeps what this node trusts, and its own certificate, as they should be for as
 * long as it runs. What is connected stays so: files are replaced, and what
 * connects from then on uses them.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { identityOf } from '../../lib/pki/identity.ts'
import { type Backoff, delayBefore } from '../../lib/retry.ts'
import type { Tls } from '../../lib/tls.ts'
import type { Trust } from '../../proto/index.ts'
import type { Range, Store } from '../../store/store.ts'
import { createDue } from '../node/due.ts'
import { isEnding, type OwnCertificate, readAuthorities, readCertificate } from './certificate.ts'
import type { Enrolment } from './enrolment.ts'
import type { CertificateFiles } from './files.ts'

export interface CertificateOptions {
  readonly tls: Tls
  readonly store: Pick<Store, 'keys' | 'follow' | 'get'>
  readonly enrolment: Enrolment
  readonly files: CertificateFiles
  /** Waits until it is this node's turn to do what all nodes were told to do. */
  readonly turn: (signal: AbortSignal) => Promise<void>
  /** Makes a new key: PEM, and a request for its certificate. */
  readonly createRequest: () => Promise<{ readonly key: string; readonly request: string }>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface Certificates {
  /** What somebody has to look after, for people. */
  readonly problems: () => readonly string[]
}

/** So often, in milliseconds, the files and the clock are looked at, whichever way they were changed. */
const lookInterval = 60_000
const backoff: Backoff = { first: 500, most: 60_000 }
/** Milliseconds after a renewal in which there is no other: who signs now may be heard of later than who has signed. */
const settleTime = 2_000

/**
 * In a cluster that issues its own certificates (it has a `trust` record, and
 * ours has an identity). In another one the files are somebody else's, and are
 * only read again when he has replaced them.
 */
export function keepCertificates(options: CertificateOptions): Certificates {
  const { tls, store, enrolment, files, turn, createRequest, now, signal, log } = options
  const due = createDue(signal)
  let trust: Trust | undefined
  /** What a controller is known to have been told: the ids of those that are trusted, and of whose certificate we have. */
  let confirmed = ''
  /** Of a node of a cluster that issues its certificates itself. */
  let own: OwnCertificate | undefined
  let failure: OverlayError | undefined
  let isWarned = false
  /** By a clock that nobody sets. */
  let renewedAt = -Infinity
  /** What was waited for one's turn for. */
  let turnOf = ''

  const read = () => {
    const { cert, ca } = tls.current()
    const hasId = cert !== undefined && identityOf(new X509Certificate(cert))?.id !== undefined
    own = hasId ? readCertificate(cert, readAuthorities(String(ca))) : undefined
    return own
  }
  const takeTrust = (bundle: string) => {
    readAuthorities(bundle)
    if (bundle === String(tls.current().ca)) return
    files.writeAuthorities(bundle)
    tls.reload()
    log.info({ authorities: readAuthorities(bundle).map(({ id }) => id) }, 'the authorities to trust have changed')
  }
  const confirm = async (ids: readonly string[], identity: string, authority: string | undefined) => {
    const said = [...ids, authority].join()
    if (confirmed === said) return
    const record = (await store.get(store.keys.identity(identity)))?.value
    // Whose certificate we have, the controllers write down once it was shown to them.
    const isKnown = ids.every((id) => record?.trusts.includes(id)) && record?.authority === authority
    if (!isKnown) await enrolment.confirm(ids)
    confirmed = said
  }
  const renew = async (before: OwnCertificate, told: Trust) => {
    const { key, request } = await createRequest()
    const { certificate, authorities } = await enrolment.renew(request)
    checkIssued(certificate, key, authorities, before)
    takeTrust(authorities)
    files.writePair(certificate, key)
    tls.reload()
    renewedAt = performance.now()
    const after = read()
    // The store may tell it later than the controller has.
    if (trust === told && after?.authority) trust = { ...told, authorities, active: after.authority }
    log.info({ notAfter: after && timeText(after.notAfter), authority: after?.authority }, 'certificate renewed')
    // The controllers are to see it, if it is another authority's.
    due.note()
  }

  const attend = async () => {
    tls.reload()
    const told = trust
    if (!read() || !told) return
    takeTrust(told.authorities)
    const change = `${told.active} ${told.authorities}`
    // What it says at first is no news, which all would have been told at once.
    if (turnOf !== '' && turnOf !== change) await turn(signal)
    turnOf = change
    const ids = readAuthorities(told.authorities).map(({ id }) => id)
    const mine = read()
    if (mine?.identity?.id === undefined) return
    // The one must not wait for the other.
    const renewing = untilRenewal(mine, told) <= 0 ? renew(mine, told) : undefined
    const results = await Promise.allSettled([confirm(ids, mine.identity.id, mine.authority), renewing])
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }
  /** At once when another authority signs now. */
  const untilRenewal = ({ authority, renewAt }: OwnCertificate, { active }: Trust) =>
    Math.max(authority === active ? renewAt - now() : 0, renewedAt + settleTime - performance.now())
  const untilDue = () => {
    if (!own || !trust) return lookInterval
    return Math.min(lookInterval, Math.max(0, untilRenewal(own, trust)) + 10)
  }
  /** Said once in the log when it becomes serious, and in the status for as long as it is. */
  const note = (error: OverlayError | undefined) => {
    failure = error
    const [problem] = problems()
    if (problem && !isWarned) log.error({ err: error }, 'this certificate ends soon and could not be renewed')
    else if (error) log.warn({ err: error }, 'certificates could not be looked after, trying again')
    isWarned = problem !== undefined
  }
  const problems = (): readonly string[] => {
    if (!own || !isEnding(own, now())) return []
    const why = failure?.message ?? (trust ? undefined : 'the store, which names the controllers, was not reached yet')
    if (why === undefined) return []
    const ends = now() < own.notAfter ? 'ends' : 'ended'
    const remedy = now() < own.notAfter ? '' : '; join again ("overlayctl cluster join")'
    return [
      `the certificate of this node ${ends} at ${timeText(own.notAfter)} and could not be renewed: ${why}${remedy}`,
    ]
  }
  const run = async () => {
    for (let failures = 0; !signal.aborted; ) {
      due.begin()
      try {
        await attend()
        failures = 0
        note(undefined)
        await due.wait(untilDue())
      } catch (error) {
        if (signal.aborted) return
        const known = OverlayError.from(error)
        note(known)
        await due.wait(Math.max(delayBefore(failures++, backoff), known.retryAfter ?? 0))
      }
    }
  }
  const followTrust = async () => {
    const { path, type } = store.keys.trust
    const range: Range<Trust> = { prefix: path, type }
    for await (const update of store.follow(range, signal)) {
      if (update.kind === 'lost') continue
      const puts =
        update.kind === 'snapshot'
          ? update.entries
          : update.changes.flatMap((change) => (change.kind === 'put' ? [change.entry] : []))
      // Its end is no reason to trust nobody.
      const entry = puts.findLast((one) => one.path === path)
      if (!entry) continue
      trust = entry.value
      due.note()
    }
  }
  const ended = (error: unknown) => log.error({ err: error }, 'certificates are looked after no more')
  followTrust().catch(ended)
  run().catch(ended)
  return { problems }
}

/** @throws OverlayError `internal` when that is not what was asked for. */
function checkIssued(certificate: string, key: string, authorities: string, before: OwnCertificate): void {
  const issued = readCertificate(certificate, readAuthorities(authorities))
  const isOurs = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  const same = (['role', 'name', 'id'] as const).every((part) => issued.identity?.[part] === before.identity?.[part])
  if (isOurs && same && issued.authority !== undefined) return
  throw new OverlayError(
    'internal',
    'the controller has issued a certificate that is not this node’s: nothing was replaced',
  )
}

function timeText(time: number): string {
  return new Date(time).toISOString()
}
