/**
 * The token that lets a host or a person into a cluster:
 * `overlay1.<id>.<secret>.<fingerprint>`. The id names its record, the secret
 * proves that it was given, the fingerprint pins the authority of the controllers.
 */
import { createHash, randomBytes } from 'node:crypto'
import { OverlayError } from '../errors.ts'

export interface JoinToken {
  /** 8 hexadecimal digits. */
  readonly id: string
  /** 32 hexadecimal digits: 128 bits. */
  readonly secret: string
  /** SHA-256 of the authority's certificate (DER): 64 hexadecimal digits. */
  readonly fingerprint: string
}

/** What each part must be, in the order of the text. */
const parts = [
  { what: 'id', form: /^[0-9a-f]{8}$/ },
  { what: 'secret', form: /^[0-9a-f]{32}$/ },
  { what: 'fingerprint', form: /^[0-9a-f]{64}$/ },
] as const
const version = 'overlay1'

export function createToken(fingerprint: string): JoinToken {
  return { id: randomBytes(4).toString('hex'), secret: randomBytes(16).toString('hex'), fingerprint }
}

export function formatToken({ id, secret, fingerprint }: JoinToken): string {
  return [version, id, secret, fingerprint].join('.')
}

/**
 * Space around it is passed over. No message repeats any of it: it is a secret.
 * @throws OverlayError `invalid`
 */
export function parseToken(text: string): JoinToken {
  const token = text.trim()
  if (token === '') throw new OverlayError('invalid', 'the token is empty')
  if (/\s/.test(token))
    throw new OverlayError('invalid', 'the token has a space or a line break in it: copy it as one word')
  const [kind = '', ...found] = token.split('.')
  if (kind !== version) throw notOne(kind)
  for (const [index, { what, form }] of parts.entries()) {
    const part = found[index]
    if (part === undefined) throw cutOff(`has no ${what}`)
    if (form.test(part)) continue
    if (index === found.length - 1 && /^[0-9a-f]*$/.test(part)) throw cutOff(`ends in the middle of its ${what}`)
    throw new OverlayError('invalid', `the token's ${what} is not one: copy the token again, all of it`)
  }
  if (found.length > parts.length) throw new OverlayError('invalid', 'the token has something after its end')
  const [id = '', secret = '', fingerprint = ''] = found
  return { id, secret, fingerprint }
}

/** What is kept of the secret. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function notOne(kind: string): OverlayError {
  return /^overlay\d+$/.test(kind)
    ? new OverlayError('invalid', 'the token is of another version of this program: install the version of the cluster')
    : new OverlayError('invalid', 'this is no token: "overlayctl cluster token create" prints one, overlay1.…')
}

function cutOff(how: string): OverlayError {
  return new OverlayError('invalid', `the token ${how}: it was cut off when it was copied`)
}
