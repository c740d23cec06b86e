/** Broadcast and multicast: across the hosts that have a multicast network, and nowhere else; and what each host tells its own alone. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Network } from '../../proto/index.ts'
import { type Capture, startCapture } from '../lab/capture.ts'
import type { VxlanPacket } from '../lab/captured.ts'
import { type Listener, sendDatagrams, startListening } from '../lab/datagrams.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'
import { startedLab } from './started-lab.ts'
import { answering, attachWorkload, createNetwork, detachWorkload, untilAllAnswer, type Workload } from './workload.ts'

const group = '239.1.2.3'
const group6 = 'ff05::123'

let lab: Lab
let party: Network
let quiet: Network
/** In `party`, a multicast network: on h1, h1, h2 and h2. */
let a: Workload, b: Workload, c: Workload, d: Workload
/** In `quiet`, which is none: on h1, h2 and h3. */
let e: Workload, f: Workload, g: Workload

beforeAll(async () => {
  lab = await startedLab({ hosts: 3 })
  party = await createNetwork(lab, 'party', '--multicast', '--subnet', '10.0.9.0/24', '--subnet', 'fd00:9::/64')
  quiet = await createNetwork(lab, 'quiet', '--subnet', '10.0.10.0/24', '--subnet', 'fd00:10::/64')
  const [h1, h2, h3] = [lab.host(1), lab.host(2), lab.host(3)]
  ;[a, b, c, d, e, f, g] = await Promise.all([
    attachWorkload(lab, h1, 'party', 'a'),
    attachWorkload(lab, h1, 'party', 'b'),
    attachWorkload(lab, h2, 'party', 'c'),
    attachWorkload(lab, h2, 'party', 'd'),
    attachWorkload(lab, h1, 'quiet', 'e'),
    attachWorkload(lab, h2, 'quiet', 'f'),
    attachWorkload(lab, h3, 'quiet', 'g'),
  ])
  await untilAllAnswer([a, b, c, d])
  await untilAllAnswer([e, f, g])
})
afterAll(() => lab?.down())

/** One datagram to a group of each family, to the subnet's broadcast address, and to everyone's. */
const toAll = (network: Network, say: string) => {
  const broadcast = (network.subnets[0]?.cidr ?? '').replace('.0/24', '.255')
  const texts = { [group]: 'group', [group6]: 'group6', [broadcast]: 'broadcast', '255.255.255.255': 'all' }
  return Object.fromEntries(Object.entries(texts).map(([address, text]) => [address, `${say}-${text}`]))
}
const allOf = (say: string) => Object.values(toAll(party, say)).toSorted()

const listening = (workloads: readonly Workload[]) =>
  Promise.all(workloads.map(({ sandbox }) => startListening(sandbox, [group, group6])))
const stopAll = (listeners: readonly Listener[]) => Promise.all(listeners.map((each) => each.stop()))

/** Waits until each has all of these; what came besides, or twice, is told by `received`. */
async function untilHeard(listeners: readonly Listener[], texts: readonly string[]): Promise<void> {
  const missing = () => listeners.map((each) => texts.filter((text) => !each.received().includes(text)))
  await until(() => missing().flat().length === 0, {
    what: 'everyone to hear it',
    detail: () => JSON.stringify(missing()),
  })
}

const wire = (host: Host) => startCapture(host, lab.directory, { filter: 'udp port 4789' })

/** Frames for everyone or for a group. */
const isBum = ({ inner: { destination } }: VxlanPacket) => (Number.parseInt(destination.slice(0, 2), 16) & 1) === 1

/** How often a kernel has said that a frame with its own MAC came from elsewhere. */
const complaints = async () =>
  (await lab.ctl.exec('dmesg')).split('\n').filter((line) => /ov(br|vx|e).*own address/.test(line)).length

test('what is sent to a group or to all arrives at each other endpoint once, and at no host without the network', async () => {
  const before = await complaints()
  const wires = await Promise.all(lab.hosts.map(wire))
  const listeners = await listening([a, b, c, d])
  const speakers = [a, c]
  for (const speaker of speakers) {
    await sendDatagrams(speaker.sandbox, toAll(party, speaker.name))
    await untilHeard(
      listeners.filter((_, at) => [a, b, c, d][at] !== speaker),
      allOf(speaker.name),
    )
  }
  // Of the gateways, which have one MAC everywhere, each host's own answers.
  const gateways = party.subnets.map(({ gateway }) => gateway)
  for (const { sandbox } of speakers) {
    await sandbox.exec('ip neighbour flush dev eth0')
    expect(await answering(sandbox, gateways)).toEqual(gateways)
  }
  // A host asks all for what it does not know, by a MAC that the others have, too.
  await a.host.exec('ping -c 1 -W 0.2 10.0.9.92; ping -c 1 -W 0.2 fd00:9::92; true')
  await a.host.exec('ping -c 1 -W 0.2 10.0.9.92; ping -c 1 -W 0.2 fd00:9::92; true')
  // What came twice has come by now.
  await untilAllAnswer([a, b, c, d])
  for (const speaker of speakers)
    for (const [at, each] of listeners.entries())
      if ([a, b, c, d][at] !== speaker) expect(heardFrom(each, speaker)).toEqual(allOf(speaker.name))
  await stopAll(listeners)

  const [onH1 = [], onH2 = [], onH3] = await Promise.all(wires.map(packetsOfParty))
  expect(onH3).toEqual([])
  const macs = new Set([a, b, c, d].map(({ endpoint: { mac } }) => mac))
  for (const packets of [onH1, onH2]) {
    expect(packets.filter(isBum).length).toBeGreaterThan(0)
    expect(packets.filter((packet) => !isBum(packet) && !macs.has(packet.inner.source))).toEqual([])
  }
  expect(await complaints()).toBe(before)
})

test('ARP and ND for endpoints are answered on the host all the same', async () => {
  await a.sandbox.exec('ip neighbour flush dev eth0')
  const onH1 = await wire(a.host)
  for (const address of c.endpoint.addresses) await a.sandbox.exec(['ping', '-c', '1', '-W', '1', address])
  const inner = (await (await onH1.stop()).vxlan()).map(({ inner: { text } }) => text)
  // What the bridges themselves ask is flooded in such a network, and may come at any time.
  const asked = inner.filter((text) => /who-has|neighbor solicitation/.test(text) && !isOfGateway(text))
  expect(asked).toEqual([])
})

test('a network that is none stays silent beside it', async () => {
  const wires = await Promise.all(lab.hosts.map(wire))
  const listeners = await listening([f, g])
  await sendDatagrams(e.sandbox, toAll(quiet, 'e'))
  await e.sandbox.exec('ping -c 1 -W 0.2 10.0.10.90; ping -c 1 -W 0.2 fd00:10::90; true')
  await untilAllAnswer([e, f, g])
  for (const each of listeners) expect(each.received()).toEqual([])
  await stopAll(listeners)
  const packets = (await Promise.all(wires.map(async (each) => (await each.stop()).vxlan()))).flat()
  const ofQuiet = packets.filter(({ vni }) => vni === quiet.vni)
  expect(ofQuiet.length).toBeGreaterThan(0)
  expect(ofQuiet.filter(isBum)).toEqual([])
})

test.each([
  ['that network', () => party, () => [a, b, c, d]],
  ['one that is none', () => quiet, () => [e, f, g]],
])(
  'in %s, an address that another endpoint gets leads there at once for all who spoke with the former',
  async (_, network, peers) => {
    let owner = await attachWorkload(lab, lab.host(1), network().name, `first-of-${network().name}`)
    const { addresses } = owner.endpoint
    const [ip = '', ip6 = ''] = addresses
    const untilAnswered = (what: string) =>
      until(
        async () => {
          const answers = await Promise.all(peers().map(({ sandbox }) => answering(sandbox, addresses)))
          return answers.every(({ length }) => length === addresses.length)
        },
        // Sooner than any of them asks for the MAC anew by itself.
        { what, deadline: 5_000 },
      )
    await untilAnswered('the first one to answer')
    const wires = await Promise.all(lab.hosts.map(wire))
    // On another host, on that one again, and on the first one again.
    for (const [at, number] of [2, 2, 1].entries()) {
      await detachWorkload(owner)
      const name = `next-of-${network().name}-${at}`
      owner = await attachWorkload(lab, lab.host(number), network().name, name, '--ip', ip, '--ip6', ip6)
      await untilAnswered(`${name} to answer, on h${number}`)
    }
    const packets = (await Promise.all(wires.map(async (each) => (await each.stop()).vxlan()))).flat()
    expect(packets.length).toBeGreaterThan(0)
    const strays = packets.filter((packet) => isBum(packet) && (packet.vni === quiet.vni || isAnnouncement(packet)))
    expect(strays).toEqual([])
    await detachWorkload(owner)
  },
)

test('a host gets nothing more once its last endpoint is detached, and all of it again with the next one', async () => {
  const entries = () => a.host.exec(`bridge fdb show dev ovvx${party.vni} | grep ^00:00:00:00:00:00 || true`)
  const h2 = c.host.address
  expect((await entries()).split('\n')).toEqual([expect.stringContaining(`dst ${h2} `)])
  await detachWorkload(d)
  await detachWorkload(c)
  await until(async () => (await entries()) === '', { what: 'h1 to flood no more' })
  const wires = await Promise.all([wire(a.host), wire(c.host)])
  const [atB] = await listening([b])
  await sendDatagrams(a.sandbox, toAll(party, 'alone'))
  await untilHeard(atB ? [atB] : [], allOf('alone'))
  for (const each of wires) expect(await packetsOfParty(each)).toEqual([])
  await atB?.stop()

  const late = await attachWorkload(lab, lab.host(3), 'party', 'late')
  await until(async () => (await entries()).includes(`dst ${lab.host(3).address} `), { what: 'h1 to flood to h3' })
  const heard = await listening([b, late])
  await sendDatagrams(a.sandbox, toAll(party, 'again'))
  await untilHeard(heard, allOf('again'))
  for (const each of heard) expect(each.received().toSorted()).toEqual(allOf('again'))
  await stopAll(heard)
})

/** Sorted: what was said to all at once comes in any order. */
function heardFrom(listener: Listener, { name }: Workload): readonly string[] {
  return listener
    .received()
    .filter((text) => text.startsWith(`${name}-`))
    .toSorted()
}

async function packetsOfParty(capture: Capture): Promise<readonly VxlanPacket[]> {
  const packets = await (await capture.stop()).vxlan()
  return packets.filter(({ vni }) => vni === party.vni)
}

/** That a MAC has an address, which nobody had asked for. */
function isAnnouncement({ inner: { text } }: VxlanPacket): boolean {
  return /^Announcement|who-has (\S+) tell \1,|neighbor advertisement/.test(text)
}

function isOfGateway(text: string): boolean {
  return party.subnets.some(({ gateway }) => text.startsWith(`${gateway} >`) || text.includes(`tell ${gateway},`))
}
