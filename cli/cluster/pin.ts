/** The authority of a cluster that a token pins. */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import { OverlayError } from '../../lib/errors.ts'
import { plainNames } from '../connection-faults.ts'
import { hostPort, splitHostPort } from './urls.ts'

export interface Pinned {
  /** PEM. */
  readonly authority: string
  /** HOST:PORT under which its certificate holds: as it was given, or else by the address that a name led to. */
  readonly address: string
  /** The address of this host that the connection went out from. */
  readonly localAddress: string
}

export interface PinOptions {
  /** SHA-256 of the authority's certificate, as 64 hexadecimal digits. */
  readonly fingerprint: string
  /** Milliseconds. */
  readonly timeout: number
  readonly interrupted: AbortSignal
}

/**
 * Connects to a controller, sends it nothing, and takes from the certificates
 * that it shows the authority with that fingerprint.
 * @throws OverlayError `unavailable` when there is no connection,
 * `unauthenticated` when it shows another authority, or its time is not now,
 * `failed_precondition` when its certificate is for other addresses.
 */
export async function pinAuthority(address: string, options: PinOptions): Promise<Pinned> {
  const socket = await opened(address, options)
  try {
    const shown = [...chainOf(socket.getPeerCertificate(true))]
    const [own] = shown
    const authority = shown.find(({ raw }) => createHash('sha256').update(raw).digest('hex') === options.fingerprint)
    if (!own || !authority)
      throw new OverlayError(
        'unauthenticated',
        `the controller at ${address} is not the token's: its certificate comes from another authority. Is it the right cluster? If its authority was rotated since, make a new token (overlayctl cluster token create); otherwise somebody else answers at this address`,
      )
    checkTime(address, own, Date.now())
    return {
      authority: pemOf(authority.raw),
      address: certifiedAddress(address, socket),
      localAddress: plain(socket.localAddress ?? ''),
    }
  } finally {
    socket.destroy()
  }
}

function opened(address: string, { timeout, interrupted }: PinOptions): Promise<TLSSocket> {
  const { host, port } = splitHostPort(address)
  return new Promise((resolve, reject) => {
    const name = isIP(host) ? {} : { servername: host }
    // Whom it speaks to is not known yet: that is what the fingerprint is held against, before anything is sent.
    const socket = connect({ host, port, ...name, rejectUnauthorized: false, ALPNProtocols: ['h2'], timeout })
    const fail = (why: string) => {
      socket.destroy()
      interrupted.removeEventListener('abort', interrupt)
      reject(new OverlayError('unavailable', `cannot reach the controller at ${address} (${why}): ${adviceOn(why)}`))
    }
    const interrupt = () => fail('interrupted')
    interrupted.addEventListener('abort', interrupt, { once: true })
    socket.on('error', (error) => fail('code' in error ? String(error.code) : error.message))
    socket.on('timeout', () => fail(`no answer in ${timeout / 1000} s`))
    socket.on('secureConnect', () => {
      interrupted.removeEventListener('abort', interrupt)
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}

function adviceOn(why: string): string {
  if (/ENETUNREACH|EHOSTUNREACH/.test(why)) return 'this host has no route there: name another of its addresses'
  if (/ENOTFOUND|EAI_AGAIN/.test(why)) return 'the name cannot be resolved: give an address'
  if (why === 'ECONNREFUSED') return 'is overlay-controller running there? (systemctl status overlay-controller)'
  if (/SSL|EPROTO|ECONNRESET/.test(why))
    return 'it does not speak TLS 1.3: is it the controller of a cluster that "cluster init" made?'
  return 'see whether the address is right, and no firewall is in the way'
}

/** The certificate and those that it was signed by, as far as they were shown. */
function* chainOf(certificate: DetailedPeerCertificate): Generator<DetailedPeerCertificate> {
  const seen = new Set<string>()
  let next: DetailedPeerCertificate | undefined = certificate
  while (next?.raw && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256)
    yield next
    next = next.issuerCertificate
  }
}

/** A clock that is far off makes every certificate worthless, with errors that say nothing of clocks. */
function checkTime(address: string, { valid_from, valid_to }: DetailedPeerCertificate, now: number): void {
  const clock = `see whether the clock of this host is right (it says ${new Date(now).toISOString()})`
  if (now < Date.parse(valid_from))
    throw new OverlayError(
      'unauthenticated',
      `the certificate of the controller at ${address} is not valid before ${valid_from}: ${clock}`,
    )
  if (now > Date.parse(valid_to))
    throw new OverlayError(
      'unauthenticated',
      `the certificate of the controller at ${address} has been invalid since ${valid_to}: ${clock}, and that of the controller`,
    )
}

/** @throws OverlayError that names those that the certificate is for. */
function certifiedAddress(address: string, socket: TLSSocket): string {
  const { host, port } = splitHostPort(address)
  const certificate = socket.getPeerX509Certificate()
  const isFor = (name: string) => (isIP(name) ? certificate?.checkIP(name) : certificate?.checkHost(name)) !== undefined
  if (isFor(host)) return address
  const dialled = plain(socket.remoteAddress ?? '')
  if (isFor(dialled)) return hostPort(dialled, port)
  const names = plainNames(certificate?.subjectAltName ?? '')
  throw new OverlayError(
    'failed_precondition',
    `the certificate of the controller at ${address} is for ${names}, and not for this address: dial it by one of those`,
  )
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

/** An IPv4 address as such, also of a socket that takes both families. */
function plain(address: string): string {
  return address.replace(/^::ffff:/, '')
}
