/** Tells systemd how a daemon is: sd_notify(3), with READY, STATUS, STOPPING and WATCHDOG. */
import { closeSync } from 'node:fs'

/** What the datagrams may say. */
export interface ServiceManager {
  /** Whether there is one: else nothing of this does anything. */
  readonly isThere: boolean
  /** The service does what it is for. Told once. */
  ready(): void
  /** One line for people, in `systemctl status`. Told when it is another than before. */
  status(text: string): void
  stopping(): void
  /** Tells no more. */
  close(): void
}

/** Sends one datagram. @returns whether it was taken. */
export type SendNotice = (text: string) => boolean

/**
 * Milliseconds that a start may take from each notice on: TimeoutStartSec is for
 * a program that hangs, and one that waits for its store does not.
 */
const extension = 60_000
const extensionInterval = 15_000
/** Between attempts to send what was not taken. */
const repeatInterval = 200

const nobody: ServiceManager = {
  isThere: false,
  ready: () => undefined,
  status: () => undefined,
  stopping: () => undefined,
  close: () => undefined,
}

/**
 * The manager that `env` names, or one that takes no notice of anything. Its
 * variables are taken out of `env`: children have no part in them.
 */
export async function openServiceManager(env: NodeJS.ProcessEnv = process.env): Promise<ServiceManager> {
  const { NOTIFY_SOCKET: address, WATCHDOG_USEC: watchdog, WATCHDOG_PID: watched } = env
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
  // Others (a machine's vsock) are for guests that report to their host.
  if (!address || !/^[/@]./.test(address)) return nobody
  const isWatched = watched === undefined || Number(watched) === process.pid
  const { send, close } = await openNotifySocket(address)
  const manager = createServiceManager(send, isWatched ? Number(watchdog ?? 0) / 1_000 : 0)
  return {
    ...manager,
    close() {
      manager.close()
      close()
    },
  }
}

/**
 * `watchdog`: milliseconds within which the manager wants to hear of us; 0: it
 * does not. It is told by a timer and by nothing else, so that it hears of a
 * process whose event loop turns, whatever it waits for.
 */
export function createServiceManager(send: SendNotice, watchdog: number): ServiceManager {
  let told = ''
  let isReady = false
  let waiting: readonly string[] = []
  let repeating: NodeJS.Timeout | undefined
  const flush = () => {
    repeating = undefined
    while (waiting[0] !== undefined && send(waiting[0])) waiting = waiting.slice(1)
    if (waiting.length > 0) repeating = setTimeout(flush, repeatInterval).unref()
  }
  const tell = (text: string) => {
    // Of what nobody has heard yet, the newest status says all.
    waiting = [...waiting.filter((one) => !(isStatus(one) && isStatus(text))), text]
    if (!repeating) flush()
  }
  const extend = () => tell(`EXTEND_TIMEOUT_USEC=${extension * 1_000}`)
  const extending = setInterval(extend, extensionInterval).unref()
  // Not taken: the next one will be.
  const feed = () => void send('WATCHDOG=1')
  const feeding = watchdog > 0 ? setInterval(feed, watchdog / 2).unref() : undefined
  extend()
  return {
    isThere: true,
    ready() {
      if (isReady) return
      isReady = true
      clearInterval(extending)
      tell('READY=1')
    },
    status(text) {
      const line = text.replaceAll(/\s+/g, ' ').trim()
      if (line === told) return
      told = line
      tell(`STATUS=${line}`)
    },
    stopping() {
      clearInterval(extending)
      tell('STOPPING=1')
    },
    close() {
      clearInterval(extending)
      clearInterval(feeding)
      clearTimeout(repeating)
    },
  }
}

function isStatus(text: string): boolean {
  return text.startsWith('STATUS=')
}

/** Node has no datagrams on unix sockets. What libc is called by is loaded only here. */
async function openNotifySocket(address: string): Promise<{ send: SendNotice; close: () => void }> {
  const { AF_UNIX, openSocket, SOCK_DGRAM, sendTo } = await import('./syscalls.ts')
  const name = notifyAddress(AF_UNIX, address)
  const socket = openSocket(AF_UNIX, SOCK_DGRAM, 0)
  return {
    send(text) {
      try {
        sendTo(socket, Buffer.from(text), name)
        return true
      } catch {
        // The manager is busy, or is being executed anew.
        return false
      }
    },
    close: () => closeSync(socket),
  }
}

/** struct sockaddr_un (unix(7)): a path, or behind an @ an abstract name. */
function notifyAddress(family: number, address: string): Buffer {
  const header = Buffer.alloc(2)
  header.writeUInt16LE(family)
  const name = Buffer.from(address)
  if (address.startsWith('@')) return Buffer.concat([header, Buffer.from([0]), name.subarray(1)])
  return Buffer.concat([header, name, Buffer.from([0])])
}
