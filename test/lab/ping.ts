/** Who reaches whom. */
import { readFileSync } from 'node:fs'
import type { Netns } from './netns.ts'
import { countAnswers, type PingCount } from './ping-count.ts'
import { until } from './until.ts'

/** Whether one echo request is answered within `timeout` seconds (default 1). */
export async function ping(from: Netns, address: string, timeout = 1): Promise<boolean> {
  const { exitCode, stderr } = await from.try(['ping', '-n', '-q', '-c', '1', '-W', String(timeout), address])
  // 0: answered, 1: not answered, 2: another error, of which "unreachable" is an answer too.
  if (exitCode === 0 || exitCode === 1 || /unreachable/i.test(stderr)) return exitCode === 0
  throw new Error(`in ${from.name}: ping ${address}: ${stderr}`)
}

/** Whether an echo request whose IP packet has `size` bytes, and may not be fragmented, is answered. */
export async function passesWhole(from: Netns, address: string, size: number): Promise<boolean> {
  // The headers of IP and ICMP.
  const payload = size - (address.includes(':') ? 48 : 28)
  const flags = ['-n', '-q', '-M', 'do', '-c', '1', '-W', '1', '-s', String(payload)]
  const { exitCode, stdout, stderr } = await from.try(['ping', ...flags, address])
  if (exitCode === 0 || exitCode === 1) return exitCode === 0
  throw new Error(`in ${from.name}: ping ${address}: ${stderr || stdout}`)
}

export interface Member {
  readonly sandbox: Netns
  readonly address: string
}

/** `answered[i][j]`: whether member j answered member i. One row at a time, a row at once. */
export async function pingMatrix(members: readonly Member[]): Promise<readonly (readonly boolean[])[]> {
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
 * Pings in the background, by default every 10 ms; resolves once the first
 * answer has come.
 */
export async function startPinging(from: Netns, address: string, interval = 0.01): Promise<Pinging> {
  const run = await from.spawn(`ping-${address}-${pingings++}`, ['ping', '-n', '-i', String(interval), address])
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
