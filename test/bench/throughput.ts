/** TCP through the overlay, through a hand-made bridge and VXLAN, and over the raw underlay. */
import { createLab, type Lab } from '../lab/lab.ts'
import type { Netns } from '../lab/netns.ts'
import { until } from '../lab/until.ts'
import { type Benchmark, median } from './figure.ts'

const rounds = 5
const seconds = 3

interface Path {
  readonly client: Netns
  readonly server: Netns
  readonly address: string
}

export const throughput: Benchmark = {
  name: 'throughput',
  about: `TCP with iperf3, ${rounds} alternating rounds of ${seconds} s`,
  async run() {
    await using lab = await createLab({ hosts: 2 })
    await lab.start()
    const paths = {
      overlay: await overlayPath(lab),
      handMade: await handMadePath(lab),
      underlay: { client: lab.host(1), server: lab.host(2), address: lab.host(2).address },
    }
    for (const { server, address } of Object.values(paths)) await serve(server, address)
    const measured = { overlay: [] as number[], handMade: [] as number[], underlay: [] as number[] }
    for (let round = 0; round < rounds; round++)
      for (const name of ['underlay', 'handMade', 'overlay'] as const) measured[name].push(await measure(paths[name]))
    const [overlay, handMade, underlay] = [
      median(measured.overlay),
      median(measured.handMade),
      median(measured.underlay),
    ]
    const figure = (what: string, value: number, unit: string) => ({ bench: 'throughput', what, value, unit })
    return [
      figure('raw underlay', underlay, 'Gbit/s'),
      figure('hand-made bridge and VXLAN', handMade, 'Gbit/s'),
      figure('overlay', overlay, 'Gbit/s'),
      { ...figure('overlay against hand-made', overlay / handMade, 'x'), atLeast: 0.95 },
      figure('overlay against raw underlay', overlay / underlay, 'x'),
      figure('hand-made against raw underlay', handMade / underlay, 'x'),
    ]
  },
}

async function overlayPath(lab: Lab): Promise<Path> {
  await lab.overlayctlJson('create', 'web', '--subnet', '10.9.0.0/24')
  const client = await lab.sandbox('o-client')
  const server = await lab.sandbox('o-server')
  await lab.host(1).attach('web', client)
  const { addresses } = await lab.host(2).attach('web', server)
  return { client, server, address: addresses[0] ?? '' }
}

/** What a person would make with `ip`: on another port and VNI, learning as VXLAN does by itself. */
async function handMadePath(lab: Lab): Promise<Path> {
  const ends = { client: await lab.sandbox('m-client'), server: await lab.sandbox('m-server') }
  for (const [host, other, sandbox, address] of [
    [lab.host(1), lab.host(2), ends.client, '10.10.0.1'],
    [lab.host(2), lab.host(1), ends.server, '10.10.0.2'],
  ] as const) {
    const { netns } = sandbox
    await host.exec(
      `ip link add hand0 type bridge && ip link set hand0 mtu 1450 up &&
       ip link add hand1 type vxlan id 77 dstport 8472 local ${host.address} remote ${other.address} &&
       ip link set hand1 mtu 1450 master hand0 up &&
       ip link add hand2 mtu 1450 type veth peer name eth0 mtu 1450 netns ${netns} && ip link set hand2 master hand0 up`,
    )
    await sandbox.exec(`ip addr add ${address}/24 dev eth0 && ip link set eth0 up`)
  }
  return { ...ends, address: '10.10.0.2' }
}

async function serve(server: Netns, address: string): Promise<void> {
  await server.spawn(`iperf3-${address}`, ['iperf3', '--server', '--bind', address])
  await until(async () => (await server.exec('ss -Htln')).includes(':5201'), { what: `iperf3 on ${address}` })
}

/** Gbit/s, as received. */
async function measure({ client, address }: Path): Promise<number> {
  const output = await client.exec(['iperf3', '--client', address, '--time', String(seconds), '--omit', '1', '--json'])
  const { end } = JSON.parse(output) as { end: { sum_received: { bits_per_second: number } } }
  return end.sum_received.bits_per_second / 1e9
}
