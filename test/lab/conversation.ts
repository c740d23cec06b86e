/** A TCP connection with traffic on it, to see whether it survives. */
import type { Netns } from './netns.ts'
import type { LabProcess } from './process.ts'
import { program } from './program-path.ts'
import { until } from './until.ts'

export interface Conversation {
  /**
   * Ends it and gives what came of it.
   * @throws Error when the connection broke before.
   */
  stop(): Promise<ConversationCount>
}

export interface ConversationCount {
  /** Numbers said, and numbers that came back. */
  readonly sent: number
  readonly echoed: number
  /** How often a segment was lost and TCP made up for it, in the namespaces of both. */
  readonly repaired: number
}

/**
 * One side says a number every 10 ms, the other echoes it, on one connection;
 * resolves once the first echo has come.
 */
export async function startConversation(from: Netns, to: Netns, address: string): Promise<Conversation> {
  const port = String(firstPort + conversations++)
  const command = (mode: string) => [process.execPath, program('test/lab/conversation-program.js'), mode, address, port]
  const server = await to.spawn(`echo-${port}`, command('serve'))
  await untilReady(server)
  const client = await from.spawn(`talk-${port}`, command('talk'))
  await untilReady(client)
  const repairedOfBoth = async () => {
    const [here, there] = await Promise.all([from, to].map(repaired))
    return (here ?? 0) + (there ?? 0)
  }
  const before = await repairedOfBoth()
  return {
    async stop() {
      const { code } = await client.stop({ signal: 'SIGINT' })
      await server.stop()
      const last = client.logTail(1)
      if (code !== 0) throw new Error(`${from.name}: the connection to ${address} broke: ${last}`)
      const counts = JSON.parse(last) as Omit<ConversationCount, 'repaired'>
      return { ...counts, repaired: (await repairedOfBoth()) - before }
    },
  }
}

const firstPort = 7_000
let conversations = 0

function untilReady(run: LabProcess): Promise<unknown> {
  return until(() => run.logTail(Infinity).includes('ready'), {
    what: `${run.name}: to be ready`,
    hopeless: () => run.exit && 'it ended',
    detail: () => run.logTail(),
  })
}

/**
 * What says that a segment really was lost (LINUX_MIB_… in linux/snmp.h). Not
 * the count of all segments sent again: probes that were not needed are in it.
 */
const repairs = ['TCPFastRetrans', 'TCPSlowStartRetrans', 'TCPTimeouts', 'TCPLossProbeRecovery']

/** How often TCP had to repair a loss, on all connections of the namespace so far. */
async function repaired(where: Netns): Promise<number> {
  const lines = (await where.exec('grep ^TcpExt: /proc/net/netstat')).split('\n')
  const [names = [], values = []] = lines.map((line) => line.split(' '))
  return repairs.reduce((sum, name) => sum + Number(values[names.indexOf(name)]), 0)
}
