/** What is on the wire between hosts, and what neighbours on one host see of each other. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Captured, startCapture } from '../lab/capture.ts'
import type { Frame } from '../lab/captured.ts'
import type { Lab } from '../lab/lab.ts'
import type { Netns } from '../lab/netns.ts'
import { startPinging } from '../lab/ping.ts'
import { until } from '../lab/until.ts'
import { startedLab } from './started-lab.ts'
import { attachWorkload, createNetwork, detachWorkload, ipv6Of, untilAllAnswer, type Workload } from './workload.ts'

let lab: Lab
/** On h1. */
let a: Workload, b: Workload
/** On h2. */
let c: Workload, d: Workload

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24', '--subnet', 'fd00:9::/64')
  const [h1, h2] = [lab.host(1), lab.host(2)]
  ;[a, b, c, d] = await Promise.all([
    attachWorkload(lab, h1, 'web', 'a'),
    attachWorkload(lab, h1, 'web', 'b'),
    attachWorkload(lab, h2, 'web', 'c'),
    attachWorkload(lab, h2, 'web', 'd'),
  ])
  await untilAllAnswer([a, b, c, d])
})
afterAll(() => lab?.down())

/** What a workload may send that is for everyone, for nobody, or for whom it does not know yet. */
const noise = [
  // ARP and ND for addresses that nobody has.
  'ping -c 1 -W 0.2 10.0.9.90',
  'ping -c 1 -W 0.2 fd00:9::90',
  // Broadcast and multicast.
  'ping -b -c 1 -W 0.2 10.0.9.255',
  'ping -b -c 1 -W 0.2 255.255.255.255',
  'ping -c 1 -W 0.2 224.0.0.1',
  'ping -c 1 -W 0.2 239.1.2.3',
  'ping -c 1 -W 0.2 ff02::1%eth0',
  'ping -c 1 -W 0.2 ff0e::123',
  // IGMP and MLD.
  'ip address add 239.4.5.6/32 dev eth0 autojoin && ip address del 239.4.5.6/32 dev eth0',
  // Unicast to a MAC that nobody has.
  'ip neighbour add 10.0.9.91 lladdr 02:00:00:00:00:99 nud permanent dev eth0 && ping -c 1 -W 0.2 10.0.9.91',
  'ip neighbour del 10.0.9.91 dev eth0',
]

test('between hosts is only unicast to MACs that the other host has, whatever the workloads send', async () => {
  const wire = await startCapture(lab.host(1), lab.directory, { filter: 'udp port 4789' })
  const neighbour = await startCapture(b.sandbox, lab.directory)
  const fresh = await attachWorkload(lab, a.host, 'web', 'fresh')
  await untilAllAnswer([a, b, c, fresh])
  for (const { sandbox } of [a, c]) await sandbox.exec(`${noise.join('; ')}; ip neighbour flush dev eth0`)
  // The host's own ARP too.
  await a.host.exec('ping -c 1 -W 0.2 10.0.9.92; ping -c 1 -W 0.2 fd00:9::92; true')
  await untilAllAnswer([a, c])
  await untilSolicited(fresh.sandbox)

  const [onWire, atNeighbour] = [await wire.stop(), await neighbour.stop()]
  // It was sent: the neighbour on the same host has got it.
  const seen = (await atNeighbour.frames()).map(({ text }) => text).join('\n')
  for (const sent of [/who-has 10.0.9.90/, /who has fd00:9::90/, /> 10.0.9.255/, /> 255.255.255.255/, /> 224.0.0.1/])
    expect(seen).toMatch(sent)
  for (const sent of [/> 239.1.2.3/, /> ff02::1: .*echo request/, /> ff0e::123/, /igmp/, /router solicit/, /multicast/])
    expect(seen).toMatch(sent)
  expect(seen).not.toContain('10.0.9.91')

  const [onH1, onH2] = [macs(a, b, fresh), macs(c, d)]
  const packets = await onWire.vxlan()
  const strays = packets.filter(({ from, inner: { source, destination } }) =>
    from === a.host.address ? !onH1.has(source) || !onH2.has(destination) : !onH2.has(source) || !onH1.has(destination),
  )
  expect(strays).toEqual([])
  expect(packets.length).toBeGreaterThan(0)
  await detachWorkload(fresh)
})

test('ARP and ND are answered on the host', async () => {
  for (const { sandbox } of [a, c]) await sandbox.exec('ip neighbour flush dev eth0')
  const wire = await startCapture(lab.host(1), lab.directory, { filter: 'udp port 4789' })
  await a.sandbox.exec(['ping', '-c', '1', '-W', '1', c.address])
  await a.sandbox.exec(['ping', '-c', '1', '-W', '1', ipv6Of(c)])
  const inner = (await (await wire.stop()).vxlan()).map(({ inner: { text } }) => text)
  expect(inner.map((text) => /ICMP6?,? echo (request|reply)/.exec(text)?.[1] ?? text)).toEqual([
    'request',
    'reply',
    'request',
    'reply',
  ])
})

test('a neighbour on the same host sees no unicast that is not for it', async () => {
  const captures = await Promise.all([b, d].map(({ sandbox }) => startCapture(sandbox, lab.directory)))
  await untilAllAnswer([a, c])
  for (const { sandbox } of [a, c]) await sandbox.exec('ping -c 1 -W 1 10.0.9.1 && ping -c 1 -W 1 fd00:9::1')
  await a.sandbox.exec(`ping -q -c 20 -i 0.01 ${c.address}`)
  const [atB, atD] = await Promise.all(captures.map((capture) => capture.stop()))
  await expectOnlyOwn(b, atB)
  await expectOnlyOwn(d, atD)
})

test.each([
  ['another', 2],
  ['the same', 1],
])('traffic to the MAC of an endpoint that was detached, on %s host, goes nowhere', async (_, number) => {
  const gone = await attachWorkload(lab, lab.host(number), 'web', `gone${number}`)
  const { mac } = gone.endpoint
  const neighbours = await Promise.all([b, d].map(({ sandbox }) => startCapture(sandbox, lab.directory)))
  await untilAllAnswer([a, gone])
  await a.sandbox.exec(`ip neighbour replace ${gone.address} lladdr ${mac} nud permanent dev eth0`)
  const pinging = await startPinging(a.sandbox, gone.address)
  await detachWorkload(gone)
  const entries = () => a.host.exec('bridge fdb show; ip neighbour show nud permanent')
  await until(async () => !(await entries()).includes(mac), { what: `h1 to have no entry of ${mac}` })
  const wire = await startCapture(a.host, lab.directory, { filter: 'udp port 4789' })
  await untilSent(a.sandbox, 20)
  const onWire = await wire.stop()
  const [atB, atD] = await Promise.all(neighbours.map((capture) => capture.stop()))
  await pinging.stop()
  await a.sandbox.exec(`ip neighbour del ${gone.address} dev eth0`)

  expect((await onWire.vxlan()).filter(({ inner }) => inner.destination === mac)).toEqual([])
  await expectOnlyOwn(b, atB)
  await expectOnlyOwn(d, atD)
})

function macs(...workloads: readonly Workload[]): ReadonlySet<string> {
  return new Set(workloads.map(({ endpoint }) => endpoint.mac))
}

/** Frames from and to the workload itself, and those for everyone or for a group. */
async function expectOnlyOwn({ endpoint: { mac } }: Workload, captured: Captured | undefined): Promise<void> {
  const frames = (await captured?.frames()) ?? []
  expect(frames.filter((frame) => !(isGroup(frame) || frame.destination === mac || frame.source === mac))).toEqual([])
}

/** The lowest bit of the first byte says so (IEEE 802.3). */
function isGroup({ destination }: Frame): boolean {
  return (Number.parseInt(destination.slice(0, 2), 16) & 1) === 1
}

/** The kernel asks for routers a second after its link-local address has been found to be unique. */
async function untilSolicited(sandbox: Netns): Promise<void> {
  const solicits = async () => /^Icmp6OutRouterSolicits\s+[1-9]/m.test(await sandbox.exec('cat /proc/net/snmp6'))
  await until(solicits, { what: `${sandbox.name}: to solicit routers`, every: 100 })
}

async function untilSent(sandbox: Netns, more: number): Promise<void> {
  const sent = async () => {
    const [link] = JSON.parse(await sandbox.exec('ip -j -s link show eth0')) as {
      stats64: { tx: { packets: number } }
    }[]
    return link?.stats64.tx.packets ?? 0
  }
  const before = await sent()
  await until(async () => (await sent()) >= before + more, { what: `${sandbox.name}: to send ${more} more packets` })
}
