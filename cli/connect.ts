/** Connections to the controller and to the local agent. */
import { credentials, type Metadata } from '@grpc/grpc-js'
import { OverlayError } from '../lib/errors.ts'
import { settlePair } from '../lib/pki/replace-files.ts'
import { type CallOptions, createRpcClient, type RpcClient } from '../lib/rpc-client.ts'
import { clientCredentials, readTls, type Tls, type TlsFiles } from '../lib/tls.ts'
import { type ConnectionFault, connectionFault, type PeerKind, type Reached, whetherDone } from './connection-faults.ts'
import type { Globals } from './globals.ts'

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
  /** Reads the TLS files again: connections from now on go by what they hold. */
  reload(): void
  close(): void
}

/** What controllers told beside their answers, from the first one on. */
export interface Heard {
  isAnswered: boolean
  /** SHA-256 of the bundle of authorities to trust, hexadecimal; empty: nothing was said of it. */
  authorities: string
}

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

/** A peer that can be asked whether it is there. */
export interface OnePeer extends Peer {
  /** See RpcClient.answers. */
  answers(milliseconds: number): Promise<boolean>
}

/** @throws OverlayError when the TLS files cannot be read (on first use): see readClientTls. */
export function connectTo(
  address: string,
  { timeout, tls }: Globals,
  interrupted: AbortSignal,
  heard?: Heard,
): OnePeer {
  return connectWith(address, timeout, () => readClientTls(tls), interrupted, heard)
}

/** With TLS material that is read on first use; undefined: in clear. */
export function connectWith(
  address: string,
  timeout: number,
  tls: () => Tls | undefined,
  interrupted: AbortSignal,
  heard?: Heard,
): OnePeer {
  let material: Tls | undefined
  const open = () => {
    material = tls()
    const onMetadata = (metadata: Metadata) => {
      if (!heard) return
      heard.isAnswered = true
      heard.authorities = String(metadata.get('overlay-authorities')[0] ?? '')
    }
    return createRpcClient({ address, credentials: clientCredentials(material), timeout, onMetadata })
  }
  return {
    ...createPeer('controller', address, timeout, interrupted, open),
    reload: () => void material?.reload(),
  }
}

/** Once more where a renewal was cut short between certificate and key, or is at it. */
function readSettled(files: TlsFiles): Tls | undefined {
  try {
    return readTls(files)
  } catch (error) {
    const { cert, key } = files
    if (!cert || !key) throw error
    try {
      settlePair({ cert, key })
    } catch {
      throw error
    }
    return readTls(files)
  }
}

/** @throws OverlayError `permission_denied` when the files are not this person's to read, else `invalid`. */
function readClientTls(files: TlsFiles): Tls | undefined {
  try {
    return readSettled(files)
  } catch (thrown) {
    const error = OverlayError.from(thrown)
    if (!(error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'EACCES')) throw error
    throw new OverlayError(
      'permission_denied',
      `${files.key ?? files.cert ?? files.ca} is not for you to read: run overlayctl as root (for example with sudo), or get an identity of your own: overlayctl cluster login`,
      { cause: error },
    )
  }
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
    reload: () => undefined,
    close: () => client?.close(),
  }
}
