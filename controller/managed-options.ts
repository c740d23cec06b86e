/** The flags of a controller whose cluster has an authority of its own, and of etcd's TLS. */
import { readFileSync, statSync } from 'node:fs'
import { OverlayError } from '../lib/errors.ts'
import { checkSealingKey } from '../lib/pki/sealing.ts'
import { readTls, type Tls } from '../lib/tls.ts'
import type { FlagValues } from './flag-values.ts'

/** A file of 32 bytes, which opens the keys of the cluster's authorities. */
export interface SealingKey {
  readonly file: string
  readonly key: Buffer
}

export interface ManagedOptions {
  /** Undefined: certificates are somebody else's to issue. */
  readonly sealingKey: SealingKey | undefined
  /** Where etcd's certificates are, which this controller renews; undefined: somebody else does. */
  readonly etcdTls: string | undefined
  /** Seconds. */
  readonly certificateLife: number
}

/** A year, in seconds. */
export const defaultCertificateLife = 365 * 86_400
const lifeBounds = { min: 60, max: 10 * defaultCertificateLife }

/** Undefined when something is missing; what is wrong has been noted then. */
export function readManaged(flags: FlagValues, tls: Tls | undefined): ManagedOptions | undefined {
  const sealingKey = flags.isGiven('sealingKey') ? flags.one('sealingKey', '', readSealingKey) : undefined
  if (flags.isGiven('sealingKey'))
    flags.check('sealingKey', () => {
      if (!tls) throw new OverlayError('invalid', 'needs --tls-cert, --tls-key and --tls-ca: those it has issued')
    })
  const etcdTls = flags.isGiven('etcdTls') ? flags.one('etcdTls', '', (text) => text) : undefined
  if (flags.isGiven('etcdTls'))
    flags.check('etcdTls', () => {
      const needs = ['sealingKey', 'etcd'].find((name) => !flags.isGiven(name))
      if (needs === 'etcd') throw new OverlayError('invalid', 'goes with --etcd: an embedded etcd has the --tls files')
      if (needs) throw new OverlayError('invalid', 'needs --sealing-key: the certificates of etcd are issued with it')
    })
  const certificateLife = flags.one('certificateLife', String(defaultCertificateLife), parseLife)
  return certificateLife === undefined ? undefined : { sealingKey, etcdTls, certificateLife }
}

/** With what etcd is dialled: files of its own, or else those of `tls`. */
export function readEtcdClientTls(flags: FlagValues, tls: Tls | undefined): Tls | undefined {
  const names = ['etcdCa', 'etcdCert', 'etcdKey'] as const
  const given = names.filter((name) => flags.isGiven(name))
  if (given.length === 0) return tls
  for (const name of given)
    flags.check(name, () => {
      if (!flags.isGiven('etcd'))
        throw new OverlayError('invalid', 'goes with --etcd: it is for an etcd that somebody else runs')
    })
  const [ca, cert, key] = names.map((name) => (flags.isGiven(name) ? flags.one(name, '', (text) => text) : undefined))
  return flags.check('etcdCa', () => {
    try {
      return readTls({ ca, cert, key })
    } catch (error) {
      const refused = OverlayError.from(error)
      throw refused.saying(refused.message.replaceAll('--tls-', '--etcd-'))
    }
  })
}

function readSealingKey(file: string): SealingKey {
  let mode: number
  let bytes: Buffer
  try {
    mode = statSync(file).mode
    bytes = readFileSync(file)
  } catch (error) {
    throw new OverlayError('invalid', `${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  if (mode & 0o077)
    throw new OverlayError(
      'invalid',
      `${file} can be read by others than its owner: chmod 600 it; who reads it can issue certificates`,
    )
  return { file, key: checkSealingKey(bytes) }
}

/** Seconds. */
function parseLife(text: string): number {
  const { min, max } = lifeBounds
  if (!/^\d{1,9}$/.test(text) || Number(text) < min || Number(text) > max)
    throw new OverlayError('invalid', `"${text}" is not a whole number of seconds from ${min} to ${max} (10 years)`)
  return Number(text)
}
