/**
 * Seals the keys of authorities for the store: AES-256-GCM (NIST SP 800-38D)
 * under a key that only the hosts of the control plane have, in a file.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { OverlayError } from '../errors.ts'

const cipher = 'aes-256-gcm'
/** Bytes. */
const keyLength = 32
const nonceLength = 12
const tagLength = 16

export function createSealingKey(): Buffer {
  return randomBytes(keyLength)
}

/** @throws OverlayError `invalid` when these bytes cannot be a sealing key. */
export function checkSealingKey(bytes: Buffer): Buffer {
  if (bytes.length === keyLength) return bytes
  throw new OverlayError('invalid', `a sealing key has ${keyLength} bytes, and this has ${bytes.length}`)
}

/** 12 bytes of nonce, the sealed text, 16 bytes of tag. */
export function seal(key: Buffer, text: string): Buffer {
  const nonce = randomBytes(nonceLength)
  const sealing = createCipheriv(cipher, key, nonce)
  return Buffer.concat([nonce, sealing.update(text, 'utf8'), sealing.final(), sealing.getAuthTag()])
}

/** @throws OverlayError `failed_precondition` when it was sealed with another key, or was changed. */
export function unseal(key: Buffer, sealed: Uint8Array): string {
  const bytes = Buffer.from(sealed)
  try {
    const opening = createDecipheriv(cipher, key, bytes.subarray(0, nonceLength), { authTagLength: tagLength })
    opening.setAuthTag(bytes.subarray(-tagLength))
    return Buffer.concat([opening.update(bytes.subarray(nonceLength, -tagLength)), opening.final()]).toString('utf8')
  } catch (error) {
    throw new OverlayError('failed_precondition', 'this was not sealed with this sealing key', { cause: error })
  }
}
