/**
 * Makes authorities, requests and certificates (RFC 5280, RFC 2986). All keys
 * are ECDSA P-256: etcd's servers are held to TLS 1.3 by that (see
 * lib/etcd-cipher.ts). Keys and certificates are PEM text.
 */
import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { OverlayError } from '../errors.ts'
import { quote } from '../quote.ts'
import { backdated } from './due.ts'
import * as x509 from './x509.ts'

const keys = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signing = { ...keys, hash: 'SHA-256' } as const

const { subtle } = webcrypto

export interface KeyPair {
  /** PKCS #8. */
  readonly key: string
  /** SubjectPublicKeyInfo. */
  readonly publicKey: string
}

export interface Authority {
  readonly certificate: string
  /** PKCS #8. */
  readonly key: string
}

export interface CertificateFields {
  readonly commonName: string
  /** Host names and addresses that it is served at. None: it is a client's only. */
  readonly hosts?: readonly string[]
  /** See identityUri. */
  readonly uri?: string
  /** Milliseconds from now. */
  readonly life: number
}

/** A new authority, which signs no other authority. `life` is in milliseconds. */
export async function createAuthority(commonName: string, life: number): Promise<Authority> {
  const pair = await subtle.generateKey(keys, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(life),
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    keys: pair,
    signingAlgorithm: signing,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  })
  return { certificate: pem(certificate), key: await privatePem(pair.privateKey) }
}

export async function createKey(): Promise<KeyPair> {
  const pair = await subtle.generateKey(keys, true, ['sign', 'verify'])
  return { key: await privatePem(pair.privateKey), publicKey: await publicPem(pair.publicKey) }
}

/** A request for a certificate of this key (PKCS #10): it proves that whoever asks holds it; what it is for, others say. */
export async function createRequest({ key, publicKey }: KeyPair): Promise<string> {
  const pair = {
    privateKey: await subtle.importKey('pkcs8', der(key), keys, false, ['sign']),
    publicKey: await subtle.importKey('spki', der(publicKey), keys, true, ['verify']),
  }
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [],
    keys: pair,
    signingAlgorithm: signing,
  })
  return `${request.toString('pem')}\n`
}

/**
 * A certificate of the request's key, followed by the authority's own: a server
 * shows both, so that a new host can pin the authority.
 * @throws OverlayError `invalid` when the request is none, its signature is not
 * its key's or its key not of our kind, or when a host is neither name nor
 * address; `failed_precondition` when the authority has expired.
 */
export async function issueCertificate(
  authority: Authority,
  request: string,
  { commonName, hosts = [], uri, life }: CertificateFields,
): Promise<string> {
  const publicKey = await requestedKey(request)
  const issuer = new x509.X509Certificate(authority.certificate)
  if (issuer.notAfter.getTime() < Date.now())
    throw new OverlayError(
      'failed_precondition',
      `the authority ${issuer.subject} has expired (${issuer.notAfter.toISOString()}): the cluster needs a new one`,
    )
  const names = [...hosts.map(hostName), ...(uri === undefined ? [] : [{ type: 'url' as const, value: uri }])]
  const usages = [x509.ExtendedKeyUsage.clientAuth, ...(hosts.length > 0 ? [x509.ExtendedKeyUsage.serverAuth] : [])]
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity(life, issuer.notAfter),
    serialNumber: serialNumber(),
    subject: [{ CN: [commonName] }],
    issuer: issuer.subjectName,
    publicKey,
    signingKey: await subtle.importKey('pkcs8', der(authority.key), keys, false, ['sign']),
    signingAlgorithm: signing,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
  return pem(certificate) + authority.certificate
}

async function requestedKey(request: string): Promise<x509.PublicKey> {
  let read: x509.Pkcs10CertificateRequest
  let isSigned: boolean
  try {
    read = new x509.Pkcs10CertificateRequest(request)
    isSigned = await read.verify()
  } catch (error) {
    throw new OverlayError('invalid', `this is no certificate request: ${(error as Error).message}`, { cause: error })
  }
  if (!isSigned) throw new OverlayError('invalid', 'the certificate request is not signed by its own key')
  const { algorithm } = read.publicKey
  if (algorithm.name === keys.name && 'namedCurve' in algorithm && algorithm.namedCurve === keys.namedCurve)
    return read.publicKey
  throw new OverlayError('invalid', "the certificate request's key is not ECDSA P-256: make one of that kind")
}

/** A name of several DNS labels, or an address. What else a text may hold, others would read as more names. */
function hostName(host: string) {
  if (isIP(host)) return { type: 'ip' as const, value: host }
  if (host.length <= 253 && /^(?!-)[a-z0-9-]+(?<!-)(\.(?!-)[a-z0-9-]+(?<!-))*$/i.test(host))
    return { type: 'dns' as const, value: host }
  throw new OverlayError('invalid', `${quote(host)} is neither a host's name nor an address`)
}

/** Not longer than the issuer's. */
function validity(life: number, latest = new Date(8.64e15)) {
  const notAfter = new Date(Math.min(Date.now() + life, latest.getTime()))
  return { notBefore: new Date(Date.now() - backdated), notAfter }
}

/** Positive, of 16 bytes, as hexadecimal digits. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}

const pem = (certificate: x509.X509Certificate) => `${certificate.toString('pem')}\n`

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return pemOf('PRIVATE KEY', await subtle.exportKey('pkcs8', key))
}

async function publicPem(key: webcrypto.CryptoKey): Promise<string> {
  return pemOf('PUBLIC KEY', await subtle.exportKey('spki', key))
}

function pemOf(label: string, bytes: ArrayBuffer): string {
  return `${x509.PemConverter.encode(bytes, label)}\n`
}

function der(text: string): ArrayBuffer {
  const [bytes] = x509.PemConverter.decode(text)
  if (!bytes) throw new OverlayError('invalid', 'this is no PEM text')
  return bytes
}
