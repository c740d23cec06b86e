/** What to say when a connection fails. */
import type { ErrorCode, OverlayError } from '../lib/errors.ts'
import { isLoopback } from '../lib/reach.ts'
import { canonical } from './cluster/urls.ts'

/** The two that overlayctl talks to. */
export type PeerKind = 'controller' | 'agent'

/**
 * How far a failed call came: never sent; sent, or perhaps, without an answer;
 * or refused by the peer's own answer.
 */
export type Reached = 'never' | 'perhaps' | 'answered'

export interface ConnectionFault {
  /** When it is another than what grpc-js gave. */
  readonly code?: ErrorCode
  readonly reached: Reached
  readonly why: string
  readonly message: string
}

/**
 * What grpc-js says when the connection is at fault, in words; undefined when
 * the peer itself refused. Its texts are in grpc-js' picker.js,
 * load-balancer-pick-first.js, resolver-dns.js, resolving-call.js and
 * subchannel-call.js.
 */
export function connectionFault(
  { code, message }: OverlayError,
  kind: PeerKind,
  address: string,
  waited: number,
  doubt: string,
): ConnectionFault | undefined {
  if (code === 'deadline' && message.startsWith('Deadline exceeded'))
    return {
      reached: message.includes('Waiting for LB pick') ? 'never' : 'perhaps',
      why: `no answer in ${waited / 1000} s`,
      message: `${the(kind)} ${address} did not answer in ${waited / 1000} s: see whether ${programOf[kind]} is well, or allow more with --timeout SECONDS`,
    }
  if (code !== 'unavailable' && code !== 'internal') return undefined
  if (/^(Name resolution failed|No addresses resolved)/.test(message))
    return {
      reached: 'never',
      why: 'its name cannot be resolved',
      message: `the controller's name in ${address} cannot be resolved: ${otherAddress[kind]}`,
    }
  if (/^No connection established.*(EACCES|EPERM)/s.test(message))
    return {
      code: 'permission_denied',
      reached: 'never',
      why: 'no permission',
      message: `no permission to use ${the(kind)} ${address}: run overlayctl as root (for example with sudo), or as a member of the group overlay`,
    }
  if (message.startsWith('No connection established'))
    return { reached: 'never', ...notConnected(message, kind, address) }
  // Cancelled is a call by a controller that is stopped and waits no longer.
  if (
    /^(Connection dropped|Received RST_STREAM|Stream refused|Call cancelled|read E|write E|Received HTTP status)/.test(
      message,
    )
  )
    return {
      reached: 'perhaps',
      why: message,
      message: `the connection to ${the(kind)} ${address} broke (${message}): ${doubt}`,
    }
  return undefined
}

/** Of a call without an answer. */
export const whetherDone = 'what was asked may have been done or not; look, then try again'

const programOf = { controller: 'overlay-controller', agent: 'overlay-agent' } as const

export const otherAddress = {
  controller: 'name another with --controller HOST:PORT or OVERLAY_CONTROLLER',
  agent: 'name another socket with --agent PATH or OVERLAY_AGENT',
} as const

function the(kind: PeerKind): string {
  return kind === 'controller' ? 'the controller at' : 'the agent at'
}

function notConnected(details: string, kind: PeerKind, address: string): Pick<ConnectionFault, 'why' | 'message'> {
  const last = /Last error: (?:Error: )?([^]*?)\.? Resolution note:/.exec(details)?.[1] ?? details
  const start = `start ${programOf[kind]}${kind === 'agent' ? ' on this host' : ''}, or ${otherAddress[kind]}`
  if (last.includes('ENOENT'))
    return { why: last, message: `cannot reach the agent: there is no socket ${address}: ${start}` }
  const said = (why: string, todo: string) => ({
    why,
    message: `cannot reach ${the(kind)} ${address} (${why}): ${todo}`,
  })
  if (last.includes('ECONNREFUSED')) return said('connection refused', start)
  if (/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.test(last)) return said(last, otherAddress[kind])
  const [why, todo] = (kind === 'controller' ? tlsFault(last) : undefined) ?? [
    last.replaceAll(/\s+/g, ' '),
    `is it ${programOf[kind]}, and does it serve with TLS (then give --tls-ca, --tls-cert, --tls-key) or without?`,
  ]
  return said(why, todo)
}

const logIn = 'get an identity of that cluster: overlayctl cluster login'

/** What Node and OpenSSL say of TLS, briefly, and what to do about it. */
function tlsFault(text: string): readonly [why: string, todo: string] | undefined {
  if (/self.signed certificate|unable to (verify|get (local )?issuer)|signature failure/.test(text))
    return [
      'its certificate is of another authority than those in --tls-ca',
      `is it the cluster that is meant? If it is, and its authority was replaced meanwhile, ${logIn}`,
    ]
  const altnames =
    /does not match certificate's altnames: (?:Host|IP): \S+ is not (?:in )?(?:the )?cert's (?:list|altnames): (.*)/s
  const names = altnames.exec(text)?.[1]
  if (names !== undefined)
    return [
      'its certificate is not for this address',
      `dial it by one of ${plainNames(names)} (--controller HOST:PORT)`,
    ]
  if (text.includes('certificate has expired'))
    return [
      'its certificate has expired',
      'see whether the clocks of both hosts are right; then see its log, which says why it was not renewed (journalctl -u overlay-controller)',
    ]
  if (text.includes('certificate is not yet valid'))
    return ['its certificate is not valid yet', 'see whether the clocks of both hosts are right']
  if (/wrong version number|packet length too long|unexpected message/.test(text))
    return [
      'it does not speak TLS',
      'is it overlay-controller? One that serves in clear is asked without --tls-ca, --tls-cert, --tls-key and without a configuration file that has them',
    ]
  if (/alert protocol version|unsupported protocol/.test(text))
    return ['it does not speak TLS 1.3', 'is it overlay-controller?']
  if (text.startsWith('Failed to connect'))
    return [
      'it does not answer in clear: perhaps it asks for TLS',
      'then get an identity with overlayctl cluster login, run overlayctl as root on a host of the cluster, or give --tls-ca, --tls-cert and --tls-key',
    ]
  return undefined
}

/** Names of a certificate as Node lists them (`IP Address:10.0.0.1, DNS:host1`), without the loopback, which leads to oneself. */
export function plainNames(names: string): string {
  const all = names.split(', ').map((name) => canonical(name.trim().replace(/^(IP Address|DNS):/, '')))
  const useful = all.filter((name) => !isLoopback(name) && !name.startsWith('URI:'))
  return (useful.length > 0 ? useful : all).join(', ')
}
