/**
 * Network namespaces of sandboxes. Work in one is synchronous from end to end,
 * and nothing of it stays open: a descriptor or socket would keep a dead sandbox
 * alive.
 */
import { closeSync, constants, openSync, stat } from 'node:fs'
import { type ErrorCode, OverlayError } from '../../lib/errors.ts'
import { CLONE_NEWNET, SystemError, setns } from '../../lib/syscalls.ts'
import type { NetnsIdentity } from './kernel.ts'
import { NetlinkSocket, type SocketOptions } from './netlink-socket.ts'

/** A sandbox, for as long as one call takes. */
export interface OpenSandbox {
  readonly cookie: string
  /** Of the namespace: what IFLA_NET_NS_FD takes. */
  readonly descriptor: number
  /** In the sandbox. */
  readonly socket: NetlinkSocket
}

export interface Namespaces {
  /**
   * Runs `body` with a socket in the namespace at `path`; the thread itself is
   * home again before that.
   * @throws OverlayError `not_found`, `invalid` (no network namespace, or the host's own)
   */
  within<T>(path: string, body: (sandbox: OpenSandbox) => T, socket?: SocketOptions): T
  /** @throws as `within` does */
  identity(path: string): NetnsIdentity
  /** Closes what it holds of the host's namespace. */
  close(): void
}

/** Takes the calling thread's namespace as home. `defaults`: of the sockets that are opened in sandboxes. */
export function openNamespaces(defaults: SocketOptions = {}): Namespaces {
  warmThreadPool()
  const home = openSync('/proc/thread-self/ns/net', constants.O_RDONLY)
  const homeSocket = new NetlinkSocket()
  const homeCookie = homeSocket.netnsCookie()
  homeSocket.close()

  /** A socket of the namespace `descriptor`; the thread comes home whatever happens. */
  function socketIn(descriptor: number, options: SocketOptions): NetlinkSocket {
    setns(descriptor, CLONE_NEWNET)
    try {
      return new NetlinkSocket({ ...defaults, ...options })
    } finally {
      setns(home, CLONE_NEWNET)
    }
  }

  function within<T>(path: string, body: (sandbox: OpenSandbox) => T, options: SocketOptions = {}): T {
    const descriptor = openNamespace(path)
    try {
      const socket = naming(path, () => socketIn(descriptor, options))
      try {
        const cookie = socket.netnsCookie()
        if (cookie === homeCookie)
          throw new OverlayError('invalid', `${path} is this host's own network namespace: give a workload's`)
        return body({ cookie, descriptor, socket })
      } finally {
        socket.close()
      }
    } finally {
      closeSync(descriptor)
    }
  }

  return {
    within,
    identity: (path) => within(path, ({ cookie }) => ({ cookie })),
    close: () => closeSync(home),
  }
}

/**
 * Makes libuv start its threads now. They keep the namespace in force when they
 * start, so that must not happen while the thread is in a sandbox.
 */
function warmThreadPool(): void {
  stat('/', () => undefined)
}

/**
 * What open(2) says of what is at the path. All else (too many open files, a
 * file system that does not answer) says nothing of it.
 */
const codes: ReadonlyMap<string, ErrorCode> = new Map([
  ['EISDIR', 'invalid'],
  ['ELOOP', 'invalid'],
  ['ENAMETOOLONG', 'invalid'],
  ['ENODEV', 'invalid'],
  ['ENXIO', 'invalid'],
  ['EACCES', 'permission_denied'],
  ['EPERM', 'permission_denied'],
])

function openNamespace(path: string): number {
  try {
    // Should it be a pipe or a device, opening it must not wait.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESRCH')
      throw new OverlayError('not_found', `there is no network namespace ${path}: is the workload running?`, {
        cause: error,
      })
    throw new OverlayError(
      codes.get(code ?? '') ?? 'unavailable',
      `network namespace ${path} cannot be opened: ${message}`,
      { cause: error },
    )
  }
}

function naming<T>(path: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EINVAL')
      throw new OverlayError(
        'invalid',
        `${path} is not a network namespace: give /run/netns/NAME (see ip netns) or /proc/PID/ns/net`,
        { cause: error },
      )
    throw OverlayError.from(error)
  }
}
