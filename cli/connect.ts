/** Connections to the controller and to the local agent, and what to say when they fail. */
import { credentials } from '@grpc/grpc-js'
import { type ErrorCode, OverlayError } from '../lib/errors.ts'
import { type CallOptions, createRpcClient, type RpcClient } from '../lib/rpc-client.ts'
import { clientCredentials, readTls } from '../lib/tls.ts'
import type { Globals } from './globals.ts'

/** The two that overlayctl talks to. */
export type PeerKind = 'controller' | 'agent'

export interface Peer {
  readonly kind: PeerKind
  /** HOST:PORT or the socket's path. */
  readonly address: string
  /**
   * Makes a unary call, given up when the user interrupts.
   * @throws CallError, whose message says which address was tried and what to do.
   */
  ask<T>(question: (client: RpcClient, options: CallOptions) => Promise<T>, options?: CallOptions): Promise<T>
  /**
   * The same for a stream; it ends quietly when the user interrupts. Of several
   * peers the next one goes on, from then on, where one ends or breaks off:
   * `moved` is told before, and why.
   */
  follow<T>(
    question: (client: RpcClient, options: CallOptions) => AsyncIterable<T>,
    moved?: (why: string) => void,
  ): AsyncIterable<T>
  close(): void
}

/**
 * How far a failed call came: never sent; sent, or perhaps, without an answer;
 * or refused by the peer's own answer.
 */
export type Reached = 'never' | 'perhaps' | 'answered'

/** A call that failed, or was refused by who was called. */
export class CallError extends OverlayError {
  readonly peer: PeerKind
  readonly address: string
  readonly reached: Reached
  /** Briefly, why there was no answer; the peer's own words if it did answer. */
  readonly why: string

  constructor(error: OverlayError, fault: ConnectionFault | undefined, peer: PeerKind, address: string) {
    super(fault?.code ?? error.code, fault?.message ?? error.message, {
      cause: error.cause ?? error,
      retryAfter: error.retryAfter,
    })
    this.peer = peer
    this.address = address
    this.reached = fault?.reached ?? 'answered'
    this.why = fault?.why ?? this.message
  }
}

export interface ConnectionFault {
  /** When it is another than what grpc-js gave. */
  readonly code?: ErrorCode
  readonly reached: Reached
  readonly why: string
  readonly message: string
}

/** A peer that can be asked whether it is there. */
export interface OnePeer extends Peer {
  /** See RpcClient.answers. */
  answers(milliseconds: number): Promise<boolean>
}

/** @throws OverlayError `invalid` when the TLS files cannot be read (on first use). */
export function connectTo(address: string, { timeout, tls }: Globals, interrupted: AbortSignal): OnePeer {
  const open = () => createRpcClient({ address, credentials: clientCredentials(readTls(tls)), timeout })
  return createPeer('controller', address, timeout, interrupted, open)
}

export function connectAgent({ agent, timeout }: Globals, interrupted: AbortSignal): Peer {
  const open = () => createRpcClient({ address: `unix:${agent}`, credentials: credentials.createInsecure(), timeout })
  return createPeer('agent', agent, timeout, interrupted, open)
}

function createPeer(
  kind: PeerKind,
  address: string,
  timeout: number,
  interrupted: AbortSignal,
  open: () => RpcClient,
): OnePeer {
  let client: RpcClient | undefined
  const connected = () => {
    client ??= open()
    return client
  }
  const explained = (thrown: unknown, waited: number, doubt = whetherDone) => {
    const error = OverlayError.from(thrown)
    return new CallError(error, connectionFault(error, kind, address, waited, doubt), kind, address)
  }
  return {
    kind,
    address,
    async ask(question, options) {
      const opened = connected()
      try {
        return await question(opened, { signal: interrupted, ...options })
      } catch (error) {
        throw explained(error, options?.timeout ?? timeout)
      }
    },
    async *follow(question) {
      const opened = connected()
      try {
        yield* question(opened, { signal: interrupted })
      } catch (error) {
        throw explained(error, timeout, 'start it again, and look at what was missed')
      }
    },
    answers: (milliseconds) => connected().answers(milliseconds),
    close: () => client?.close(),
  }
}

/**
 * What grpc-js says when the connection is at fault, in words; undefined when
 * the peer itself refused. Its texts are in grpc-js' picker.js,
 * load-balancer-pick-first.js, resolver-dns.js, resolving-call.js and
 * subchannel-call.js.
 */
function connectionFault(
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
      message: `no permission to use ${the(kind)} ${address}: run overlayctl as root (for example with sudo)`,
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
const whetherDone = 'what was asked may have been done or not; look, then try again'

const programOf = { controller: 'overlay-controller', agent: 'overlay-agent' } as const

export const otherAddress = {
  controller: 'name another with --controller HOST:PORT or OVERLAY_CONTROLLER',
  agent: 'name another socket with --agent PATH or OVERLAY_AGENT',
} as const

function the(kind: PeerKind): string {
  return kind === 'controller' ? 'the controller at' : 'the agent at'
}

function notConnected(details: string, kind: PeerKind, address: string): Pick<ConnectionFault, 'why' | 'message'> {
  const why = /Last error: (?:Error: )?(.*?)\. Resolution note:/.exec(details)?.[1] ?? details
  const start = `start ${programOf[kind]}${kind === 'agent' ? ' on this host' : ''}, or ${otherAddress[kind]}`
  if (why.includes('ENOENT')) return { why, message: `cannot reach the agent: there is no socket ${address}: ${start}` }
  if (why.includes('ECONNREFUSED'))
    return {
      why: 'connection refused',
      message: `cannot reach ${the(kind)} ${address} (connection refused): ${start}`,
    }
  if (/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.test(why))
    return { why, message: `cannot reach ${the(kind)} ${address} (${why}): ${otherAddress[kind]}` }
  return {
    why,
    message: `cannot reach ${the(kind)} ${address} (${why}): is it ${programOf[kind]}, and does it serve with TLS (then give --tls-ca, --tls-cert, --tls-key) or without?`,
  }
}
