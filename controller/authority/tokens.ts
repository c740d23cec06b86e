/** Tokens: made, listed, removed, and proven. */
import { timingSafeEqual, X509Certificate } from 'node:crypto'
import { OverlayError } from '../../lib/errors.ts'
import { activeAuthority } from '../../lib/pki/authorities.ts'
import { fingerprintOf, type Identity, type Role } from '../../lib/pki/identity.ts'
import { createToken, formatToken, hashSecret, type JoinToken, parseToken } from '../../lib/pki/token.ts'
import { quote } from '../../lib/quote.ts'
import {
  type CreateTokenRequest,
  type CreateTokenResponse,
  type ListTokensResponse,
  type RemoveTokenRequest,
  Token,
} from '../../proto/index.ts'
import { absent, type Entry, put, remove, type Store, unchanged } from '../../store/store.ts'
import { wrongToken } from './attempts.ts'

/** Seconds. */
const hour = 3_600
const longest = 30 * 86_400
const mostUses = 1_000
/** Milliseconds that a token is kept after it has expired. */
const told = 86_400_000
/** Tokens that are kept at a time; characters of a description. */
const mostTokens = 1_000
const longestDescription = 200
/** Roles that a token can give. */
const givenRoles: readonly Role[] = ['node', 'viewer', 'admin']

/** @throws OverlayError `invalid`; `exhausted` with too many tokens. */
export async function createJoinToken(
  store: Store,
  request: CreateTokenRequest,
  caller: Identity | undefined,
  now: number,
): Promise<CreateTokenResponse> {
  const { keys } = store
  const fields = checkRequest(request)
  if ((await store.count(keys.tokens)) >= mostTokens)
    throw new OverlayError('exhausted', `there are ${mostTokens} tokens: remove some ("overlayctl cluster token rm")`)
  const authorities = await store.get(keys.authorities)
  const { certificate } = activeAuthority(authorities?.value ?? { authorities: [] })
  const token = createToken(fingerprintOf(new X509Certificate(certificate)))
  const record = Token.create({
    id: token.id,
    hash: hashSecret(token.secret),
    role: fields.role,
    controlPlane: request.controlPlane,
    createdAt: new Date(now).toISOString(),
    expiresAt: new Date(now + fields.ttl * 1000).toISOString(),
    usesLeft: fields.uses,
    description: request.description,
    createdBy: caller ? `${caller.role}/${caller.name}` : '',
  })
  const key = keys.token(token.id)
  const outcome = await store.commit({ compares: [absent(key)], writes: [put(key, record)] })
  // An id that there is already: one in four thousand million.
  if (!outcome.committed) return createJoinToken(store, request, caller, now)
  const controllers = await store.list(keys.controllers)
  return {
    token: formatToken(token),
    record: withoutHash(record),
    controllers: controllers.entries.map(({ value }) => value.address),
  }
}

function checkRequest({ role: wanted, controlPlane, ttl, uses, description }: CreateTokenRequest) {
  const role = givenRoles.find((known) => known === (wanted || 'node'))
  if (!role) throw new OverlayError('invalid', `${quote(wanted)} is not a role that tokens give: node, viewer or admin`)
  if (controlPlane && role !== 'node')
    throw new OverlayError('invalid', `a host of the control plane is a node: no token for it is of role ${role}`)
  if (ttl > longest) throw new OverlayError('invalid', `a token is valid for ${longest} seconds (30 days) at most`)
  if (uses > mostUses) throw new OverlayError('invalid', `a token may be used ${mostUses} times at most`)
  if (description.length > longestDescription || /\p{Cc}/u.test(description))
    throw new OverlayError('invalid', `a description is one line of ${longestDescription} characters at most`)
  return { role, ttl: ttl || hour, uses: uses || 1 }
}

export async function listTokens(store: Store): Promise<ListTokensResponse> {
  const { entries } = await store.list(store.keys.tokens)
  const tokens = entries.map(({ value }) => withoutHash(value))
  return { tokens: tokens.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt)) }
}

/** @throws OverlayError `not_found` */
export async function removeToken(store: Store, { token }: RemoveTokenRequest): Promise<Token> {
  const id = /^[0-9a-f]{8}$/.test(token) ? token : parseToken(token).id
  const key = store.keys.token(id)
  for (;;) {
    const entry = await store.get(key)
    if (!entry) throw new OverlayError('not_found', `there is no token ${id}: see "overlayctl cluster token ls"`)
    const outcome = await store.commit({ compares: [unchanged(entry)], writes: [remove(key)] })
    if (outcome.committed) return withoutHash(entry.value)
  }
}

/**
 * The record of a token that somebody shows.
 * @throws OverlayError `unauthenticated` when it is none of ours; what is wrong
 * with it is told only to who has its secret: expired, used up.
 */
export async function provenToken(store: Store, token: JoinToken, now: number): Promise<Entry<Token>> {
  const entry = await store.get(store.keys.token(token.id))
  const shown = hashSecret(token.secret)
  // One that is not there takes as long.
  const kept = entry?.value.hash.length === shown.length ? entry.value.hash : Buffer.alloc(shown.length)
  if (!timingSafeEqual(kept, shown) || !entry) throw wrongToken()
  const { expiresAt, usesLeft } = entry.value
  const another = '"overlayctl cluster token create" makes a new one'
  if (!(Date.parse(expiresAt) > now))
    throw new OverlayError('unauthenticated', `this token has expired at ${expiresAt}: ${another}`)
  if (usesLeft === 0) throw new OverlayError('unauthenticated', `this token has been used up: ${another}`)
  return entry
}

/** Removes those that have expired a day ago: until then who shows one is told. @returns how many. */
export async function removeExpired(store: Store, now: number): Promise<number> {
  const { entries } = await store.list(store.keys.tokens)
  const expired = entries.filter(({ value }) => !(Date.parse(value.expiresAt) > now - told))
  for (const entry of expired)
    await store.commit({ compares: [unchanged(entry)], writes: [remove(store.keys.token(entry.value.id))] })
  return expired.length
}

function withoutHash(token: Token): Token {
  return { ...token, hash: new Uint8Array() }
}
