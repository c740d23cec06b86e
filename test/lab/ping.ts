/** Who reaches whom. */
import { readFileSync } from 'node:fs'
import type { Netns } from './netns.ts'
import { countAnswers, type PingCount } from './ping-count.ts'
import { until } from './until.ts'

/** Where a ping can be run: a namespace, or a whole machine. */
export type Place = Pick<Netns, 'name' | 'try'>

/** Whether one echo request is answered within `timeout` seconds (default 1). */
export async function ping(from: Place, address: string, timeout = 1): Promise<boolean> {
  const { exitCode, stderr } = await from.try(['ping', '-n', '-q', '-c', '1', '-W', String(timeout), address])
  // 0: answered, 1: not answered, 2: another error, of which "unreachable" is an answer too.
  if (exitCode === 0 || exitCode === 1 || /unreachable/i.test(stderr)) return exitCode === 0
  throw new Error(`in ${from.name}: ping ${address}: ${stderr}`)
}

/** Whether an echo request whose IP packet has `size` bytes, and may not be fragmented, is answered. */
export async function passesWhole(from: Place, address: string, size: number): Promise<boolean> {
  // The headers of IP and ICMP.
  const payload = size - (address.includes(':') ? 48 : 28)
  const flags = ['-n', '-q', '-M', 'do', '-c', '1', '-W', '1', '-s', String(payload)]
  const { exitCode, stdout, stderr } = await from.try(['ping', ...flags, address])
  if (exitCode === 0 || exitCode === 1) return exitCode === 0
  throw new Error(`in ${from.name}: ping ${address}: ${stderr || stdout}`)
}

export interface Member<P extends Place = Netns> {
  readonly sandbox: P
  readonly address: string
}

/** `answered[i][j]`: whether member j answered member i. One row at a time, a row at once. */
export async function pingMatrix(members: readonly Member<Place>[]): Promise<readonly (readonly boolean[])[]> {
  const answered: boolean[][] = []
  for (const { sandbox } of members)
    answered.push(await Promise.all(members.map(({ address }) => ping(sandbox, address))))
  return answered
}

export interface Pinging {
  /** Ends it and gives what came of it. */
  stop(): Promise<PingCount>
}

/**
 * Two at once, each with so many seconds between its requests: together they
 * make 100 a second, or up to 125 where the kernel's timers are finer. One
 * alone makes 62 with 0.01, and with less it does not sleep but takes a core.
 */
const interval = 0.016
export const mostPingsPerSecond = 2 / interval

/** Pings in the background, a hundred times a second; resolves once the first answers have come. */
export async function startPinging(from: Netns, address: string): Promise<Pinging> {
  const both = await Promise.all([startOne(from, address), startOne(from, address)])
  return {
    async stop() {
      const counts = await Promise.all(both.map((each) => each.stop()))
      const sum = (of: (count: PingCount) => number) => counts.reduce((total, count) => total + of(count), 0)
      return {
        sent: sum(({ sent }) => sent),
        received: sum(({ received }) => received),
        lost: counts.flatMap(({ lost }) => lost).toSorted((a, b) => a - b),
      }
    },
  }
}

/**
 * A raw socket is given the answers of every ping in its namespace, and drops
 * some when its process has no turn for a while: with a socket for datagrams,
 * which the range allows, what is counted as lost was lost on the way.
 */
const withOwnAnswers = 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range && exec ping'

async function startOne(from: Netns, address: string): Promise<Pinging> {
  const run = await from.spawn(`ping-${address}-${pingings++}`, `${withOwnAnswers} -n -i ${interval} ${address}`)
  await until(() => readFileSync(run.log, 'utf8').includes('icmp_seq='), {
    what: `${from.name}: the first answer from ${address}`,
    hopeless: () => run.exit && 'ping ended',
    detail: () => run.logTail(),
  })
  return {
    async stop() {
      await run.stop({ signal: 'SIGINT' })
      return countAnswers(readFileSync(run.log, 'utf8'))
    },
  }
}

let pingings = 0
