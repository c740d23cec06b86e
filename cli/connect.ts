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
  /** The same for a stream; it ends quietly when the user interrupts. */
  follow<T>(question: (client: RpcClient, options: CallOptions) => AsyncIterable<T>): AsyncIterable<T>
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

  constructor(error: OverlayError, fault: ConnectionFault | undefined, peer: PeerKind, address: string) {
    super(fault?.code ?? error.code, fault?.message ?? error.message, { cause: error.cause ?? error })
    this.peer = peer
    this.address = address
    this.reached = fault?.reached ?? 'answered'
  }
}

interface ConnectionFault {
  /** When it is another than what grpc-js gave. */
  readonly code?: ErrorCode
  readonly reached: Reached
  readonly message: string
}

/** @throws OverlayError `invalid` when the TLS files cannot be read (on first use). */
export function connectController({ controller, timeout, tls }: Globals, interrupted: AbortSignal): Peer {
  const open = () => createRpcClient({ address: controller, credentials: clientCredentials(readTls(tls)), timeout })
  return createPeer('controller', controller, timeout, interrupted, open)
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
): Peer {
  let client: RpcClient | undefined
  const connected = () => {
    client ??= open()
    return client
  }
  const explained = (thrown: unknown, waited: number) => {
    const error = OverlayError.from(thrown)
    return new CallError(error, connectionFault(error, kind, address, waited), kind, address)
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
        throw explained(error, timeout)
      }
    },
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
): ConnectionFault | undefined {
  if (code === 'deadline' && message.startsWith('Deadline exceeded'))
    return {
      reached: 'perhaps',
      message: `${the(kind)} ${address} did not answer in ${waited / 1000} s: see whether ${programOf[kind]} is well, or allow more with --timeout SECONDS`,
    }
  if (code !== 'unavailable' && code !== 'internal') return undefined
  if (/^(Name resolution failed|No addresses resolved)/.test(message))
    return {
      reached: 'never',
      message: `the controller's name in ${address} cannot be resolved: ${otherAddress[kind]}`,
    }
  if (/^No connection established.*(EACCES|EPERM)/s.test(message))
    return {
      code: 'permission_denied',
      reached: 'never',
      message: `no permission to use ${the(kind)} ${address}: run overlayctl as root (for example with sudo)`,
    }
  if (message.startsWith('No connection established'))
    return { reached: 'never', message: notConnected(message, kind, address) }
  if (/^(Connection dropped|Received RST_STREAM|Stream refused|read E|write E|Received HTTP status)/.test(message))
    return {
      reached: 'perhaps',
      message: `the connection to ${the(kind)} ${address} broke (${message}): what was asked may have been done or not; look, then try again`,
    }
  return undefined
}

const programOf = { controller: 'overlay-controller', agent: 'overlay-agent' } as const

const otherAddress = {
  controller: 'name another with --controller HOST:PORT or OVERLAY_CONTROLLER',
  agent: 'name another socket with --agent PATH or OVERLAY_AGENT',
} as const

function the(kind: PeerKind): string {
  return kind === 'controller' ? 'the controller at' : 'the agent at'
}

function notConnected(details: string, kind: PeerKind, address: string): string {
  const why = /Last error: (?:Error: )?(.*?)\. Resolution note:/.exec(details)?.[1] ?? details
  const start = `start ${programOf[kind]}${kind === 'agent' ? ' on this host' : ''}, or ${otherAddress[kind]}`
  if (why.includes('ENOENT')) return `cannot reach the agent: there is no socket ${address}: ${start}`
  if (why.includes('ECONNREFUSED')) return `cannot reach ${the(kind)} ${address} (connection refused): ${start}`
  if (/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/.test(why))
    return `cannot reach ${the(kind)} ${address} (${why}): ${otherAddress[kind]}`
  return `cannot reach ${the(kind)} ${address} (${why}): is it ${programOf[kind]}, and does it serve with TLS (then give --tls-ca, --tls-cert, --tls-key) or without?`
}
