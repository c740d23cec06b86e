/**
 * A NETLINK_ROUTE socket. Everything but `dumpInTurns` is synchronous: rtnetlink
 * works while `send` runs, so that when it returns the answer is waiting.
 */
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import { OverlayError } from '../../lib/errors.ts'
import { takeTurns } from '../../lib/in-slices.ts'
import {
  AF_NETLINK,
  getSocketOption,
  openSocket,
  receive,
  SOCK_RAW,
  SystemError,
  send,
  setSocketNumber,
  setSocketOption,
} from '../../lib/syscalls.ts'
import { netlinkError } from './netlink-error.ts'
import {
  type Acknowledgement,
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  type Message,
  type Request,
} from './netlink-message.ts'
import type { OwnWork } from './own-work.ts'
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR } from './rtnetlink.ts'

const NETLINK_ROUTE = 0
const SOL_SOCKET = 1
const SO_RCVTIMEO = 20
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SO_NETNS_COOKIE = 71
const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const NETLINK_GET_STRICT_CHK = 12

/** Holds the answers of a whole batch, even if every message of it fails with words. */
const receiveBuffer = 4 * 1024 * 1024
const sendBuffer = 1024 * 1024
/** The kernel fills dumps in pieces of up to 32 KiB when it is given that much. */
const datagramLength = 64 * 1024
const answerSeconds = 10
const dumpAttempts = 10

/** The most messages that `batch` sends at once. */
export const batchLength = 200

/** A request and what it is for, in the words of an error message: `add route …`. */
export interface Task extends Request {
  readonly what: string
}

export interface SocketOptions {
  /**
   * The kernel takes filters in dumps, and so questions about another namespace, on
   * such a socket only, where in turn the fields of a question that are none must be
   * zero.
   */
  readonly strict?: boolean
  readonly ownWork?: OwnWork | undefined
}

export class NetlinkSocket {
  readonly #descriptor: number
  readonly #ownWork: OwnWork | undefined
  readonly #datagram = Buffer.allocUnsafe(datagramLength)
  #sequence = 0

  /** Opens it in the calling thread's network namespace, where it stays. @throws OverlayError */
  constructor({ strict = false, ownWork }: SocketOptions = {}) {
    this.#ownWork = ownWork
    this.#descriptor = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
    try {
      this.#configure(strict)
    } catch (error) {
      this.close()
      throw OverlayError.from(error)
    }
  }

  /** SO_NETNS_COOKIE of the namespace that the socket is in, decimal. @throws OverlayError */
  netnsCookie(): string {
    try {
      return getSocketOption(this.#descriptor, SOL_SOCKET, SO_NETNS_COOKIE, 8).readBigUInt64LE(0).toString()
    } catch (error) {
      throw new OverlayError(
        'failed_precondition',
        'this kernel has no SO_NETNS_COOKIE: Linux 5.14 or newer is needed',
        {
          cause: error,
        },
      )
    }
  }

  /** @throws OverlayError naming the task, with the kernel's words. */
  request(task: Task): void {
    const [error] = this.batch([task])
    if (error) throw error
  }

  /**
   * Carries out up to `batchLength` tasks, in order and past failures, for one
   * `send`. @returns the error of each, or undefined where it succeeded.
   */
  batch(tasks: readonly Task[]): (OverlayError | undefined)[] {
    if (tasks.length === 0) return []
    this.#ownWork?.begins()
    try {
      return this.#carryOut(tasks)
    } finally {
      this.#ownWork?.ended(tasks)
    }
  }

  #carryOut(tasks: readonly Task[]): (OverlayError | undefined)[] {
    const first = this.#sequence + 1
    const last = first + tasks.length - 1
    this.#sequence = last
    // Success is only told of the last one; a failure is told of each.
    const messages = tasks.map((task, at) => {
      const flags = task.flags | NLM_F_REQUEST | (first + at === last ? NLM_F_ACK : 0)
      return encodeMessage({ ...task, flags }, first + at)
    })
    const errors: (OverlayError | undefined)[] = tasks.map(() => undefined)
    send(this.#descriptor, Buffer.concat(messages))
    for (;;) {
      for (const message of this.#receive()) {
        const at = message.sequence - first
        const task = tasks[at]
        if (message.type !== NLMSG_ERROR || !task) continue
        const acknowledgement = decodeAcknowledgement(message)
        if (acknowledgement.errno !== 0) errors[at] = netlinkError(task.what, acknowledgement)
        if (message.sequence === last) return errors
      }
    }
  }

  /** The one answer to a request that asks for an object. @throws OverlayError */
  get(task: Task): Buffer {
    const found = this.find(task)
    if (found) return found
    throw new OverlayError('not_found', `cannot ${task.what}: there is no such device`)
  }

  /** The same; undefined where there is no such device, which is the usual answer before one is made. */
  find(task: Task): Buffer | undefined {
    const sequence = ++this.#sequence
    send(this.#descriptor, encodeMessage({ ...task, flags: task.flags | NLM_F_REQUEST }, sequence))
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue
        if (message.type !== NLMSG_ERROR) return Buffer.from(message.payload)
        const acknowledgement = decodeAcknowledgement(message)
        if (acknowledgement.errno === constants.errno.ENODEV) return undefined
        throw netlinkError(task.what, acknowledgement)
      }
    }
  }

  /**
   * All objects of a kind. `decode` gets each one's payload, which is only valid
   * during the call. What was changed meanwhile is read again from the start.
   * @throws OverlayError
   */
  dump<T>(task: Task, decode: (payload: Buffer) => T | undefined): T[] {
    for (let attempt = 0; attempt < dumpAttempts; attempt++) {
      const found = this.#dumpOnce(task, decode)
      if (found) return found
    }
    throw tooFast(task)
  }

  /**
   * As `dump`, with turns between the pieces of the answer. The socket is to be
   * asked nothing else meanwhile. After a change `take` gets all once more.
   * @throws OverlayError
   */
  async dumpInTurns(task: Task, take: (payload: Buffer) => void): Promise<void> {
    const turn = takeTurns()
    for (let attempt = 0; attempt < dumpAttempts; attempt++) {
      const pieces = this.#pieces(task, take)
      for (;;) {
        const { done, value: isConsistent } = pieces.next()
        if (done && isConsistent) return
        if (done) break
        await turn()
      }
    }
    throw tooFast(task)
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #dumpOnce<T>(task: Task, decode: (payload: Buffer) => T | undefined): T[] | undefined {
    const found: T[] = []
    const pieces = this.#pieces(task, (payload) => {
      const value = decode(payload)
      if (value !== undefined) found.push(value)
    })
    for (;;) {
      const { done, value: isConsistent } = pieces.next()
      if (done) return isConsistent ? found : undefined
    }
  }

  /** Yields after each piece of the answer; returns whether nothing was changed meanwhile. */
  *#pieces(task: Task, take: (payload: Buffer) => void): Generator<undefined, boolean> {
    const sequence = ++this.#sequence
    send(this.#descriptor, encodeMessage({ ...task, flags: task.flags | NLM_F_REQUEST | NLM_F_DUMP }, sequence))
    let consistent = true
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue
        if (message.flags & NLM_F_DUMP_INTR) consistent = false
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const end: Acknowledgement = decodeAcknowledgement(message)
          if (end.errno !== 0) throw netlinkError(task.what, end)
          return consistent
        }
        take(message.payload)
      }
      yield undefined
    }
  }

  #receive(): Message[] {
    try {
      return decodeMessages(this.#datagram.subarray(0, receive(this.#descriptor, this.#datagram)))
    } catch (error) {
      if (error instanceof SystemError && error.code === 'EINTR') return []
      if (error instanceof SystemError && error.code === 'EAGAIN')
        throw new OverlayError('internal', `the kernel did not answer in ${answerSeconds} s`, { cause: error })
      throw OverlayError.from(error)
    }
  }

  #configure(strict: boolean): void {
    setSocketNumber(this.#descriptor, SOL_NETLINK, NETLINK_EXT_ACK, 1)
    setSocketNumber(this.#descriptor, SOL_NETLINK, NETLINK_CAP_ACK, 1)
    if (strict) setSocketNumber(this.#descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    setSocketNumber(this.#descriptor, SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer)
    setSocketNumber(this.#descriptor, SOL_SOCKET, SO_SNDBUFFORCE, sendBuffer)
    const seconds = Buffer.alloc(16)
    seconds.writeBigInt64LE(BigInt(answerSeconds))
    setSocketOption(this.#descriptor, SOL_SOCKET, SO_RCVTIMEO, seconds)
  }
}

function tooFast({ what }: Task): OverlayError {
  return new OverlayError('unavailable', `cannot ${what}: it changes faster than it can be read`)
}
