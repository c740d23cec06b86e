/** UDP datagrams to one, to a group, or to all. */
import type { Netns } from './netns.ts'
import { program } from './program-path.ts'
import { until } from './until.ts'

export interface Listener {
  /** The texts that have come so far, in the order in which they came. */
  received(): readonly string[]
  stop(): Promise<void>
}

/** Where all datagrams of the lab go to. */
const port = '5000'

const run = (mode: string, device: string) => [
  process.execPath,
  program('test/lab/datagram-program.js'),
  mode,
  device,
  port,
]

/** Listens for what is for the sandbox, for all, or for one of the groups; resolves once it does. */
export async function startListening(where: Netns, groups: readonly string[], device = 'eth0'): Promise<Listener> {
  const listener = await where.spawn(`listen-${listeners++}`, [...run('listen', device), ...groups])
  const lines = () => listener.logTail(Infinity).split('\n')
  await until(() => lines().includes('ready'), {
    what: `${where.name}: to listen`,
    hopeless: () => listener.exit && 'it ended',
    detail: () => listener.logTail(),
  })
  return {
    received: () => lines().filter((line) => line !== 'ready'),
    stop: async () => void (await listener.stop()),
  }
}

let listeners = 0

/** Sends one datagram to each of the addresses, with the text given for it. @throws Error when it cannot. */
export async function sendDatagrams(
  from: Netns,
  texts: Readonly<Record<string, string>>,
  device = 'eth0',
): Promise<void> {
  await from.exec([...run('send', device), ...Object.entries(texts).map(([address, text]) => `${address}=${text}`)])
}
