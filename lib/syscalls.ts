/** The few system calls that Node does not have, through koffi on libc. Linux only. */
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { OverlayError } from './errors.ts'

const libc = koffi.load('libc.so.6')

/** Result -1 is an error. */
type Call<A extends readonly unknown[]> = (...args: A) => number

const call = {
  socket: libc.func('int socket(int, int, int)') as Call<[number, number, number]>,
  bind: libc.func('int bind(int, _In_ uint8_t *, int)') as Call<[number, Buffer, number]>,
  setns: libc.func('int setns(int, int)') as Call<[number, number]>,
  setsockopt: libc.func('int setsockopt(int, int, int, _In_ uint8_t *, int)') as Call<
    [number, number, number, Buffer, number]
  >,
  getsockopt: libc.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint8_t *)') as Call<
    [number, number, number, Buffer, Buffer]
  >,
  send: libc.func('int64_t send(int, _In_ uint8_t *, size_t, int)') as Call<[number, Buffer, number, number]>,
  sendto: libc.func('int64_t sendto(int, _In_ uint8_t *, size_t, int, _In_ uint8_t *, int)') as Call<
    [number, Buffer, number, number, Buffer, number]
  >,
  recv: libc.func('int64_t recv(int, _Out_ uint8_t *, size_t, int)') as Call<[number, Buffer, number, number]>,
  recvmsg: libc.func('int64_t recvmsg(int, _Inout_ uint8_t *, int)') as Call<[number, Buffer, number]>,
}

export const AF_UNIX = 1
export const AF_NETLINK = 16
export const AF_PACKET = 17
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
export const CLONE_NEWNET = 0x40000000

const MSG_DONTWAIT = 0x40

/** A system call that failed. `errno` is positive, `code` its name. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly errno: number
  readonly code: string

  constructor(call: string, errno: number) {
    const code = getSystemErrorName(-errno)
    super(`${call}: ${code}`)
    this.errno = errno
    this.code = code
  }
}

/** Not inherited by children. @throws SystemError */
export function openSocket(domain: number, type: number, protocol: number): number {
  return checked('socket', call.socket(domain, type | SOCK_CLOEXEC, protocol))
}

/** Moves the calling thread, and the children that it starts, to another namespace. @throws SystemError */
export function setns(descriptor: number, type: number): void {
  checked('setns', call.setns(descriptor, type))
}

/** @throws SystemError */
export function setSocketOption(descriptor: number, level: number, option: number, value: Buffer): void {
  checked('setsockopt', call.setsockopt(descriptor, level, option, value, value.length))
}

/** For options that are a number. @throws SystemError */
export function setSocketNumber(descriptor: number, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  setSocketOption(descriptor, level, option, bytes)
}

/** @throws SystemError */
export function getSocketOption(descriptor: number, level: number, option: number, length: number): Buffer {
  const value = Buffer.alloc(length)
  const size = Buffer.alloc(4)
  size.writeUInt32LE(length)
  checked('getsockopt', call.getsockopt(descriptor, level, option, value, size))
  return value.subarray(0, size.readUInt32LE(0))
}

/** @throws SystemError, and OverlayError `internal` when not all was taken. */
export function send(descriptor: number, bytes: Buffer): void {
  const sent = checked('send', call.send(descriptor, bytes, bytes.length, 0))
  if (sent !== bytes.length) throw new OverlayError('internal', `send: ${sent} of ${bytes.length} bytes were taken`)
}

/** Does not wait: what cannot be taken now is refused. @throws SystemError */
export function sendTo(descriptor: number, bytes: Buffer, address: Buffer): void {
  checked('sendto', call.sendto(descriptor, bytes, bytes.length, MSG_DONTWAIT, address, address.length))
}

/** Waits for a datagram. @returns its length; the rest of a longer one is lost. @throws SystemError */
export function receive(descriptor: number, into: Buffer): number {
  return checked('recv', call.recv(descriptor, into, into.length, 0))
}

/** @throws SystemError */
export function bind(descriptor: number, address: Buffer): void {
  checked('bind', call.bind(descriptor, address, address.length))
}

/** What a socket has for us now, and what the kernel says beside it (struct msghdr in linux/socket.h, 64 bits). */
export class MessageReceiver {
  readonly datagram: Buffer
  /** Control messages, struct cmsghdr. */
  readonly control: Buffer
  readonly #vector = Buffer.from(new ArrayBuffer(16))
  readonly #header = Buffer.from(new ArrayBuffer(56))

  constructor(datagramLength: number, controlLength: number) {
    // Memory of their own, which stays where it is.
    this.datagram = Buffer.from(new ArrayBuffer(datagramLength))
    this.control = Buffer.from(new ArrayBuffer(controlLength))
    this.#vector.writeBigUInt64LE(koffi.address(this.datagram), 0)
    this.#vector.writeBigUInt64LE(BigInt(datagramLength), 8)
    this.#header.writeBigUInt64LE(koffi.address(this.#vector), 16)
    this.#header.writeBigUInt64LE(1n, 24)
    this.#header.writeBigUInt64LE(koffi.address(this.control), 32)
  }

  /**
   * Does not wait. The rest of what is longer than `datagram` is lost.
   * @returns the lengths of what was received; undefined when there is nothing.
   * @throws SystemError
   */
  receive(descriptor: number): { readonly datagram: number; readonly control: number } | undefined {
    this.#header.writeBigUInt64LE(BigInt(this.control.length), 40)
    const received = call.recvmsg(descriptor, this.#header, MSG_DONTWAIT)
    if (received >= 0) return { datagram: received, control: Number(this.#header.readBigUInt64LE(40)) }
    const errno = koffi.errno()
    // The usual answer: an error would take longer to make than all the rest.
    if (errno === constants.errno.EAGAIN || errno === constants.errno.EINTR) return undefined
    throw new SystemError('recvmsg', errno)
  }
}

function checked(name: string, result: number): number {
  if (result < 0) throw new SystemError(name, koffi.errno())
  return result
}
