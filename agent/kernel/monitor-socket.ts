/**
 * A netlink socket that the kernel tells of changes. Nothing waits on it: what has
 * come is taken when there is time.
 */
import { closeSync } from 'node:fs'
import { OverlayError } from '../../lib/errors.ts'
import {
  AF_NETLINK,
  bind,
  MessageReceiver,
  openSocket,
  SOCK_RAW,
  SystemError,
  setSocketNumber,
} from '../../lib/syscalls.ts'
import { decodeMessages, type Message } from './netlink-message.ts'

const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_DROP_MEMBERSHIP = 2
const NETLINK_LISTEN_ALL_NSID = 8

/** Bytes; a message takes about a thousand of it. */
const receiveBuffer = 8 * 1024 * 1024
const datagramLength = 64 * 1024
const controlLength = 64

export interface MonitorOptions {
  /** NETLINK_… */
  readonly protocol: number
  readonly groups: readonly number[]
}

export class MonitorSocket {
  readonly #descriptor: number
  readonly #groups: readonly number[]
  readonly #receiver = new MessageReceiver(datagramLength, controlLength)

  /** Opens it in the calling thread's network namespace, where it stays. @throws OverlayError */
  constructor({ protocol, groups }: MonitorOptions) {
    this.#groups = groups
    try {
      this.#descriptor = openSocket(AF_NETLINK, SOCK_RAW, protocol)
      // struct sockaddr_nl. Without an address of its own it would be left out, as if it had asked for each change.
      const address = Buffer.alloc(12)
      address.writeUInt16LE(AF_NETLINK, 0)
      bind(this.#descriptor, address)
    } catch (error) {
      throw OverlayError.from(error)
    }
  }

  /** From now on it is told. `everywhere`: of every namespace, too, that this one has a number for. @throws SystemError */
  subscribe({ everywhere = false } = {}): void {
    setSocketNumber(this.#descriptor, SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer)
    if (everywhere) setSocketNumber(this.#descriptor, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
    for (const group of this.#groups) setSocketNumber(this.#descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
  }

  unsubscribe(): void {
    for (const group of this.#groups) setSocketNumber(this.#descriptor, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, group)
    this.drain(() => undefined)
  }

  /**
   * Takes all that has come. A message's payload is only valid during the call.
   * `netnsid`: this namespace's number for the one that it is about; undefined: this one.
   * @returns false when something was lost, because it was not taken in time.
   * @throws OverlayError
   */
  drain(take: (message: Message, netnsid: number | undefined) => void): boolean {
    let complete = true
    for (;;) {
      try {
        const received = this.#receiver.receive(this.#descriptor)
        if (!received) return complete
        const netnsid = this.#netnsid(received.control)
        for (const message of decodeMessages(this.#receiver.datagram.subarray(0, received.datagram)))
          take(message, netnsid)
      } catch (error) {
        if (!(error instanceof SystemError && error.code === 'ENOBUFS')) throw OverlayError.from(error)
        complete = false
      }
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  /** struct cmsghdr: length, level, type; there is one at most. */
  #netnsid(length: number): number | undefined {
    const { control } = this.#receiver
    const isOfNetns =
      length >= 20 && control.readInt32LE(8) === SOL_NETLINK && control.readInt32LE(12) === NETLINK_LISTEN_ALL_NSID
    return isOfNetns ? control.readInt32LE(16) : undefined
  }
}
