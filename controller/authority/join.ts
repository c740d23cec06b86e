/** Lets hosts and people in, by a token. */
import { OverlayError } from '../../lib/errors.ts'
import { createGate } from '../../lib/overload.ts'
import { bundleOf } from '../../lib/pki/authorities.ts'
import { enrolledIdentity } from '../../lib/pki/enrolment.ts'
import { parseToken } from '../../lib/pki/token.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import type { CallContext } from '../../lib/rpc-server.ts'
import { type AuthoritySet, type Identity, type JoinRequest, JoinResponse, type Token } from '../../proto/index.ts'
import {
  absent,
  type Entry,
  type Listing,
  put,
  rangeUnchanged,
  remove,
  type Store,
  unchanged,
} from '../../store/store.ts'
import { evict, forget } from '../nodes/evict.ts'
import { countAttempts } from './attempts.ts'
import { type Certified, certify } from './certify.ts'
import { checkJoin, givingWay, type Joining } from './join-request.ts'
import { type AuthorityParts, commitSettled, readAuthorities, signer } from './parts.ts'
import { provenToken } from './tokens.ts'

/** Milliseconds before a refusal: guessing takes its time. */
const refusalDelay = 500
/** Calls at once: each signs certificates. */
const mostAtOnce = 50
/** Others join, and certificates are renewed, between reading and writing. */
const mostTries = 50
const betweenTries = { first: 5, most: 200 }

export interface JoinParts extends AuthorityParts {
  /** URLs of etcd that other hosts can dial. */
  readonly etcdUrls: () => Promise<readonly string[]>
}

interface Admitted {
  readonly joining: Joining
  /** In the order of `joining.wanted`. */
  readonly identities: readonly Identity[]
  readonly replaced: readonly Identity[]
  readonly certified: Certified
  /** PEM: whom to trust. */
  readonly bundle: string
}

/**
 * @throws OverlayError `unauthenticated`, `permission_denied`, `invalid`, `already_exists`, `failed_precondition`,
 * `unavailable`.
 */
export function joiner(parts: JoinParts) {
  const { access, log, now } = parts
  const attempts = countAttempts(now)
  const gate = createGate('this controller', 'hosts joining', mostAtOnce)
  return async (request: JoinRequest, { peer, signal }: Pick<CallContext, 'peer' | 'signal'>) => {
    attempts.check(peer)
    const leave = gate.enter()
    try {
      const admitted = await admit(parts, request).catch(async (error: unknown) => {
        if (OverlayError.from(error).code === 'unauthenticated') {
          attempts.failed(peer)
          log.warn({ peer }, 'a wrong token was refused')
          await pause(refusalDelay, signal)
        }
        throw error
      })
      const { identities, replaced } = admitted
      for (const { id, role, name, origin } of identities) log.info({ id, role, name, token: origin, peer }, 'enrolled')
      // What fails of this the leader makes good: the enrolment is a fact.
      const settle = (done: Promise<void> | undefined) =>
        done?.catch((error: unknown) =>
          log.warn({ err: OverlayError.from(error) }, "etcd's users not as they should be"),
        )
      await Promise.all([
        ...identities.map((identity) => settle(access?.ensure(identity))),
        ...replaced.map((identity) => settle(access?.remove(identity))),
      ])
      if (hasNode(replaced)) await clearAway(parts, admitted.joining.name)
      return await answer(parts, admitted)
    } finally {
      leave()
    }
  }
}

/** What a crash leaves of it, the janitor removes. */
async function clearAway({ store, log }: AuthorityParts, node: string): Promise<void> {
  await evict(store, node).catch((error: unknown) =>
    log.warn({ err: OverlayError.from(error), node }, 'what a replaced node had left cannot be removed yet'),
  )
}

async function admit(parts: AuthorityParts, request: JoinRequest): Promise<Admitted> {
  const { store, sealing, now } = parts
  const token = parseToken(request.token)
  let certified: Certified | undefined
  for (let attempt = 0; attempt < mostTries; attempt++) {
    const record = await provenToken(store, token, now())
    const joining = checkJoin(request, record.value)
    const authorities = await readAuthorities(store)
    const identities = await store.list(store.keys.identities)
    const known = identities.entries.map(({ value }) => value)
    const replaced = givingWay(joining, known, { replace: request.replace, now: now() })
    if (hasNode(replaced)) await refuseAlive(store, joining.name)
    const signing = signer(sealing, authorities.value)
    // Signing takes its time: in the next try these will do.
    if (certified?.signedBy !== signing.id) certified = await certify(parts, request, joining, signing)
    const admitted = await enrol(parts, { joining, certified, replaced, token: record, authorities, identities })
    if (admitted) return admitted
    await pause(delayBefore(attempt, betweenTries))
  }
  throw new OverlayError('unavailable', 'too many hosts join at this moment: try again')
}

const hasNode = (identities: readonly Identity[]) => identities.some(({ role }) => role === 'node')

/**
 * Whoever has a token for nodes could take a living one's place otherwise.
 * @throws OverlayError `failed_precondition`
 */
async function refuseAlive(store: Store, node: string): Promise<void> {
  const session = await store.get(store.keys.session(node))
  if (!session) return
  throw new OverlayError(
    'failed_precondition',
    `node ${node} is alive, and so not to be replaced: its state was not lost. If this is that host, stop its agent (one that has crashed counts as alive for half a minute); if it is another, give it another name (--name), or have an admin remove that one ("overlayctl node rm --force ${node}")`,
  )
}

/** What is decided by, as it was read. */
interface Enrolment {
  readonly joining: Joining
  readonly certified: Certified
  readonly replaced: readonly Identity[]
  readonly token: Entry<Token>
  readonly authorities: Entry<AuthoritySet>
  readonly identities: Listing<Identity>
}

/** Undefined when somebody else has written in between. */
async function enrol({ store, now }: AuthorityParts, enrolment: Enrolment): Promise<Admitted | undefined> {
  const { joining, certified, replaced, token, authorities, identities } = enrolment
  const { keys } = store
  const trusts = authorities.value.authorities.map(({ id }) => id)
  const made = certified.holders.map((holder) =>
    enrolledIdentity({ ...holder, authority: certified.signedBy, trusts, origin: token.value.id }, now()),
  )
  const left = { ...token.value, usesLeft: token.value.usesLeft - 1 }
  const transaction = {
    // With the set of authorities as it was: whoever decides about them by the identities has seen this one.
    compares: [
      unchanged(token),
      unchanged(authorities),
      rangeUnchanged(keys.identities, identities.revision),
      ...(hasNode(replaced) ? [absent(keys.session(joining.name))] : []),
    ],
    writes: [
      put(keys.token(left.id), left, { over: token }),
      ...replaced.map(({ id }) => remove(keys.identity(id))),
      // As `node rm` does: it registers as a new one, whose state was lost.
      ...(hasNode(replaced) ? forget(keys, joining.name) : []),
      ...made.map((identity) => put(keys.identity(identity.id), identity)),
    ],
  }
  const isThere = async () => (await store.get(keys.identity(certified.holders[0].id))) !== undefined
  if (!(await commitSettled(store, transaction, isThere))) return undefined
  return { joining, identities: made, replaced, certified, bundle: bundleOf(authorities.value) }
}

async function answer(parts: JoinParts, admitted: Admitted): Promise<JoinResponse> {
  const { store, sealing, access, etcdUrls } = parts
  const { identities, bundle, certified } = admitted
  const { controlPlane } = certified
  const { keys } = store
  const [cluster, urls, controllers] = await Promise.all([
    store.get(keys.cluster),
    etcdUrls(),
    store.list(keys.controllers),
  ])
  const [own, controller] = identities
  return JoinResponse.create({
    identity: own,
    certificate: certified.holders[0].certificate,
    authorities: bundle,
    clusterUid: cluster?.value.uid ?? '',
    etcdUrls: [...urls],
    controllers: controllers.entries.map(({ value }) => value.address),
    prefix: keys.prefix,
    controlPlane: controlPlane && {
      ...controlPlane,
      identity: controller,
      sealingKey: sealing.key,
      externalEtcd: access === undefined,
    },
  })
}
