/** From the attach's answer to the first answered ping from another host. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { AgentService } from '../../proto/index.ts'
import { createLab } from '../lab/lab.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { type Benchmark, median, quantile } from './figure.ts'

const rounds = 30

export const firstPing: Benchmark = {
  name: 'first-ping',
  about: "from the attach's answer on one host to the first answered ping from another",
  async run() {
    await using lab = await createLab({ hosts: 2 })
    await lab.start()
    await lab.overlayctlJson('create', 'web', '--subnet', '10.9.0.0/16')
    const from = await lab.sandbox('from')
    await lab.host(1).attach('web', from)
    // The first attach of the network on the other host is told apart.
    await lab.host(2).attach('web', await lab.sandbox('other'))
    const client = lab.host(2).agent.connect()
    const agent = client.service(AgentService)
    const times: number[] = []
    try {
      for (let round = 0; round < rounds; round++) {
        const sandbox = await lab.sandbox(`r${round}`)
        const pinger = await readyPinger(from)
        const { endpoint } = await agent.attach({ network: 'web', netns: sandbox.path })
        times.push(await pinger(endpoint?.addresses[0] ?? ''))
      }
    } finally {
      client.close()
    }
    const note = 'with the start of ping itself'
    return [
      {
        bench: 'first-ping',
        what: `answer to first ping, median of ${rounds}`,
        value: median(times),
        unit: 'ms',
        atMost: 10,
        note,
      },
      { bench: 'first-ping', what: 'answer to first ping, p95', value: quantile(times, 0.95), unit: 'ms', note },
    ]
  },
}

/**
 * A shell in the sandbox that waits for an address and then is the ping: sends
 * every 2 ms until one is answered. An ARP request that came too early is
 * repeated by the kernel after 1 s only, and would show here as that.
 */
async function readyPinger(from: Sandbox): Promise<(address: string) => Promise<number>> {
  const script = 'echo ready; read address; exec ping -n -i 0.002 -w 5 -c 1 "$address"'
  const child = spawn('nsenter', [`--net=${from.path}`, '--', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.stdout.resume()
  return async (address) => {
    const start = performance.now()
    child.stdin.end(`${address}\n`)
    const [code] = (await once(child, 'exit')) as [number]
    if (code !== 0) throw new Error(`${address} did not answer within 5 s`)
    return performance.now() - start
  }
}
