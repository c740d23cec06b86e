/** Who may call what: asked before each call of a server gets to its handler, also those of health and reflection. */
import type { PeerCertificate } from 'node:tls'
import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js'
import { OverlayError } from './errors.ts'
import type { Logger } from './log.ts'
import { createGate } from './overload.ts'
import type { Identity } from './pki/identity.ts'
import { fromStatus, toStatus } from './rpc-status.ts'
import { Unreadable } from './unreadable.ts'

/** Who calls. */
export interface Caller extends Identity {
  /** The id of the authority of the certificate shown; undefined where others may stand between the two. */
  readonly authority?: string | undefined
}

/** A call that is let in. */
export interface Admission {
  /** Undefined: the method is for strangers too. */
  readonly caller: Caller | undefined
  /** Aborts, an OverlayError its reason, once the caller may call no more: its streams end with that. */
  readonly revoked?: AbortSignal | undefined
  /** Looks at the request, of a call that has one. @throws OverlayError */
  readonly check?: ((request: unknown) => void) | undefined
}

export interface Access {
  /**
   * @param method its HTTP/2 path.
   * @param certificate what the caller has shown; undefined where it has shown
   * none that an authority of the server has issued and that was valid then.
   * @throws OverlayError `unauthenticated`, `permission_denied`; `unavailable`
   * when that cannot be told now.
   */
  admit(method: string, certificate: PeerCertificate | undefined): Promise<Admission>
  /** Metadata to send with each answer to a caller that was let in. */
  readonly told?: ((caller: Caller | undefined) => Readonly<Record<string, string>>) | undefined
}

/** Milliseconds in which a call that has one request sends it: what has come of it by then is kept in memory. */
const requestTime = 10_000
/** Calls at a time of whoever may call without a certificate: each may have sent as much as a message may have. */
const mostOfStrangers = 100

/** By the metadata that a call's handler is given: the way on which grpc-js lets things through. */
const admissions = new WeakMap<Metadata, Admission>()

/** Of a call whose handler has begun; undefined on a server that lets everybody call everything. */
export function admissionOf(metadata: Metadata): Admission | undefined {
  return admissions.get(metadata)
}

export interface InterceptorOptions {
  /** Who serves, for messages. */
  readonly name: string
  readonly log: Logger
  /** See requestTime. */
  readonly patience?: number | undefined
}

/** Lets calls through to their handlers as `access` has it. Calls of methods that are not served do not come here. */
export function accessInterceptor(
  access: Access,
  { name, log, patience = requestTime }: InterceptorOptions,
): ServerInterceptor {
  const gate = createGate(name, 'calls without a certificate', mostOfStrangers)
  return ({ path, requestStream, responseStream }, call) => {
    const refuse = (thrown: unknown) => {
      const error = fromStatus(thrown)
      if (error.code === 'internal') log.error({ err: error, method: path }, 'call could not be judged')
      call.sendStatus(toStatus(error))
    }
    let admission: Admission | undefined
    let ended = false
    let leave = () => {}
    const tooLate = () => refuse(new OverlayError('deadline', `no request has come in ${patience / 1000} s`))
    // A stream of requests may wait for its first for as long as it likes.
    const late = requestStream ? undefined : setTimeout(tooLate, patience)
    const end = () => refuse(admission?.revoked?.reason)
    /** What a call without streams has begun it may finish: a node that removes itself learns how that went. */
    const endWhenRevoked = ({ revoked }: Admission) => {
      if (!revoked || !(requestStream || responseStream)) return
      revoked.throwIfAborted()
      revoked.addEventListener('abort', end)
    }
    const admit = async (metadata: Metadata, next: (metadata: Metadata) => void) => {
      // Of a connection that is not TLS, or whose certificate is not valid, the auth context is empty; of one that
      // was resumed by somebody without a certificate it is not, but names none.
      const admitted = await access.admit(path, call.getAuthContext().sslPeerCertificate)
      if (ended) return
      if (!admitted.caller) leave = gate.enter()
      admission = admitted
      endWhenRevoked(admitted)
      admissions.set(metadata, admitted)
      next(metadata)
    }
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => void admit(metadata, next).catch(refuse))
      .withOnReceiveMessage((message, next) => {
        clearTimeout(late)
        try {
          // What cannot be read gets no further than to its refusal.
          if (!(message instanceof Unreadable) && !requestStream) admission?.check?.(message)
        } catch (error) {
          return refuse(error)
        }
        next(message)
      })
      // Comes at the end of each call, however it ends.
      .withOnCancel(() => {
        ended = true
        clearTimeout(late)
        leave()
        admission?.revoked?.removeEventListener('abort', end)
      })
      .build()
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendMetadata((metadata, next) => {
        for (const [key, value] of Object.entries(access.told?.(admission?.caller) ?? {})) metadata.set(key, value)
        next(metadata)
      })
      .build()
    return new ServerInterceptingCall(call, responder)
  }
}
