/** The few system calls that Node does not have, through koffi on libc. Linux only. */
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { OverlayError } from '../../lib/errors.ts'

const libc = koffi.load('libc.so.6')

/** Result -1 is an error. */
type Call<A extends readonly unknown[]> = (...args: A) => number

const call = {
  socket: libc.func('int socket(int, int, int)') as Call<[number, number, number]>,
  setns: libc.func('int setns(int, int)') as Call<[number, number]>,
  setsockopt: libc.func('int setsockopt(int, int, int, _In_ uint8_t *, int)') as Call<
    [number, number, number, Buffer, number]
  >,
  getsockopt: libc.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint8_t *)') as Call<
    [number, number, number, Buffer, Buffer]
  >,
  send: libc.func('int64_t send(int, _In_ uint8_t *, size_t, int)') as Call<[number, Buffer, number, number]>,
  recv: libc.func('int64_t recv(int, _Out_ uint8_t *, size_t, int)') as Call<[number, Buffer, number, number]>,
}

export const AF_NETLINK = 16
export const SOCK_RAW = 3
export const SOCK_CLOEXEC = 0o2000000
export const CLONE_NEWNET = 0x40000000

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

/** Waits for a datagram. @returns its length; the rest of a longer one is lost. @throws SystemError */
export function receive(descriptor: number, into: Buffer): number {
  return checked('recv', call.recv(descriptor, into, into.length, 0))
}

function checked(name: string, result: number): number {
  if (result < 0) throw new SystemError(name, koffi.errno())
  return result
}
