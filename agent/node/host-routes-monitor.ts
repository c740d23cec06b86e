/** Tells when the host's routes or addresses may have changed, by the lines of `ip monitor` (ip-monitor(8)). */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { execa } from 'execa'
import type { Logger } from '../../lib/log.ts'
import { type Backoff, delayBefore, pause } from '../../lib/retry.ts'

const backoff: Backoff = { first: 500, most: 60_000 }
/** One that lived so many milliseconds was a good one. */
const steady = 60_000
/** How often, and for how long, a monitor is asked whether it listens, in milliseconds. */
const listenInterval = 10
const listenTime = 5_000

/** What is on devices of ours (see kernel/ownership.ts); the table `local` only repeats the addresses. */
const ofNoConcern = /(?:\bdev |^(?:Deleted )?\d+: )(?:ov(?:br|vx)\d+|ove[0-9a-f]{12})\b|\btable local\b/

/** Whether the line may tell of a route or address that is not ours. */
export function isOfConcern(line: string): boolean {
  return !ofNoConcern.test(line)
}

/**
 * Watches the network namespace that the calling thread is in, until the signal
 * aborts. A monitor that ends is started again. `changed` is called whenever one
 * is up, too: nobody watched until then.
 */
export async function monitorHostRoutes(
  changed: () => void,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    const began = performance.now()
    const ended = new AbortController()
    try {
      const monitor = startMonitor(signal)
      const { pid } = monitor
      const up = pid !== undefined && untilListening(pid, AbortSignal.any([signal, ended.signal]))
      if (up) void up.then((isUp) => isUp && changed())
      for await (const line of monitor) if (isOfConcern(line)) changed()
      log.debug('ip monitor ended')
    } catch (error) {
      if (!signal.aborted) log.debug({ err: error }, 'ip monitor failed')
    } finally {
      ended.abort()
    }
    if (performance.now() - began > steady) failures = 0
    await pause(delayBefore(failures++, backoff), signal)
  }
}

/** setpriv: it shall not outlive an agent that was killed. */
function startMonitor(signal: AbortSignal) {
  return execa('setpriv', ['--pdeathsig', 'TERM', 'ip', '-o', 'monitor', 'route', 'address'], {
    cancelSignal: signal,
    stdin: 'ignore',
    buffer: false,
  })
}

/** Resolves with true when the process listens, or had time enough to; with false when it ended before. */
async function untilListening(pid: number, ended: AbortSignal): Promise<boolean> {
  const late = performance.now() + listenTime
  while (!ended.aborted && performance.now() < late && !(await isListening(pid))) await pause(listenInterval, ended)
  return !ended.aborted
}

/** Whether one of its sockets is in a multicast group of rtnetlink (columns of /proc/net/netlink: net/netlink/af_netlink.c). */
async function isListening(pid: number): Promise<boolean> {
  try {
    const own = new Set<string | undefined>()
    for (const descriptor of await readdir(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
      own.add(/^socket:\[(\d+)\]$/.exec(target)?.[1])
    }
    const sockets = (await readFile(`/proc/${pid}/net/netlink`, 'utf8')).trim().split('\n').slice(1)
    return sockets.some((line) => {
      const [, protocol, , groups = '0', , , , , , inode] = line.trim().split(/\s+/)
      return protocol === '0' && Number.parseInt(groups, 16) !== 0 && inode !== undefined && own.has(inode)
    })
  } catch {
    // Not there yet, or not any more.
    return false
  }
}
