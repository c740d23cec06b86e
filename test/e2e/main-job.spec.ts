/** A network across hosts, end to end: from `create` to `rm`, with nothing left. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contains, hostRange, ipValue, parseCidr, parseIp } from '../../lib/ip.ts'
import type { Network } from '../../proto/index.ts'
import { startCapture } from '../lab/capture.ts'
import type { Lab } from '../lab/lab.ts'
import { passesWhole } from '../lab/ping.ts'
import { kernelText, storeText } from './footprint.ts'
import { startedLab } from './started-lab.ts'
import {
  answering,
  attachWorkload,
  createNetwork,
  detachWorkload,
  ipv6Of,
  untilAllAnswer,
  type Workload,
} from './workload.ts'

const gateway = '10.0.9.1'
let lab: Lab
let web: Network
/** What the hosts and the store have without any network. */
let before: readonly string[]
/** On h1, h1 and h2; in `web`. */
let a: Workload, b: Workload, c: Workload
/** On h1 and h2; in `other`. */
let d: Workload, e: Workload

const footprint = () => Promise.all([...lab.hosts.map(kernelText), storeText(lab.etcd)])

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  before = await footprint()
  web = await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24')
  await createNetwork(lab, 'other', '--subnet', '10.0.10.0/24')
  const [h1, h2] = [lab.host(1), lab.host(2)]
  ;[a, b, c, d, e] = await Promise.all([
    attachWorkload(lab, h1, 'web', 'a'),
    attachWorkload(lab, h1, 'web', 'b'),
    attachWorkload(lab, h2, 'web', 'c'),
    attachWorkload(lab, h1, 'other', 'd'),
    attachWorkload(lab, h2, 'other', 'e'),
  ])
})
afterAll(() => lab?.down())

test('addresses are in the subnet, each once, and never those of network, gateway and broadcast', async () => {
  const addresses = [a, b, c].map(({ address }) => address)
  expect(new Set(addresses).size).toBe(3)
  for (const address of addresses) expect(isFree(address, '10.0.9.0/24')).toBe(true)
  // Where there is no room for chance: a gateway in the middle, and the five addresses about it.
  await createNetwork(lab, 'small', '--subnet', '10.0.11.8/29', '--gateway', '10.0.11.11')
  const hosts = [...lab.hosts, ...lab.hosts, lab.host(1)]
  const all = await Promise.all(hosts.map((host, at) => attachWorkload(lab, host, 'small', `small${at}`)))
  expect(all.map(({ address }) => Number(address.split('.')[3])).toSorted((x, y) => x - y)).toEqual([9, 10, 12, 13, 14])
  await Promise.all(all.map(detachWorkload))
  await lab.overlayctlJson('rm', 'small')
})

test('eth0 is up with its address, its MAC and the MTU of the underlay less 50, and the default route leads to the gateway', async () => {
  for (const { sandbox, endpoint, address } of [a, b, c]) {
    const [link] = JSON.parse(await sandbox.exec('ip -j address show dev eth0')) as InterfaceJson[]
    expect(link).toMatchObject({ operstate: 'UP', mtu: 1450, address: endpoint.mac })
    expect(link?.flags).toContain('UP')
    expect(link?.addr_info).toContainEqual(expect.objectContaining({ local: address, prefixlen: 24, scope: 'global' }))
    const routes: unknown = JSON.parse(await sandbox.exec('ip -j route show default'))
    expect(routes).toEqual([expect.objectContaining({ gateway, dev: 'eth0' })])
  }
})

test('everyone answers everyone, within a host and across, and so does the gateway, in packets of the full size', async () => {
  await untilAllAnswer([a, b, c])
  for (const { sandbox } of [a, b, c]) expect(await answering(sandbox, [gateway])).toEqual([gateway])
  for (const address of [b.address, c.address, gateway]) expect(await passesWhole(a.sandbox, address, 1450)).toBe(true)
  expect(await passesWhole(a.sandbox, c.address, 1451)).toBe(false)
})

test("packets between hosts are UDP 4789 with the network's VNI, from VTEP to VTEP", async () => {
  const [h1, h2] = [lab.host(1), lab.host(2)]
  const capture = await startCapture(h1, lab.directory, { filter: `host ${h1.address} and host ${h2.address}` })
  await c.sandbox.exec(['ping', '-c', '3', '-i', '0.05', '-W', '1', a.address])
  const captured = await capture.stop()
  const packets = (await captured.vxlan()).filter(({ inner }) => inner.text.includes('ICMP echo'))
  const outer = packets.map(({ vni, port, from, to }) => ({ vni, port, from, to }))
  const request = { vni: web.vni, port: 4789, from: h2.address, to: h1.address }
  const reply = { ...request, from: h1.address, to: h2.address }
  expect(outer).toEqual([request, reply, request, reply, request, reply])
  expect(packets[0]?.inner).toMatchObject({ source: c.endpoint.mac, destination: a.endpoint.mac })
  const others = (await captured.frames()).filter(({ text }) => !/VXLAN|^(Request who-has|Reply) /.test(text))
  expect(others).toEqual([])
})

test('a second network is apart, on the same host and across, also for who takes an address of the first', async () => {
  await untilAllAnswer([d, e])
  expect(await answering(a.sandbox, [d.address, e.address])).toEqual([])
  expect(await answering(e.sandbox, [a.address, b.address, c.address])).toEqual([])
  // In the first network's subnet, but on the second one's wire.
  await d.sandbox.exec('ip address add 10.0.9.250/24 dev eth0')
  expect(await answering(d.sandbox, [a.address, b.address, c.address])).toEqual([])
  await d.sandbox.exec('ip address del 10.0.9.250/24 dev eth0')
  await untilAllAnswer([a, b, c])
})

test.each([
  ['IPv6', ['fd00:9::/64'], ['fd00:9::1']],
  ['both families', ['10.0.12.0/24', 'fd00:12::/64'], ['10.0.12.1', 'fd00:12::1']],
])('a network of %s', async (_, subnets, gateways) => {
  const name = 'families'
  await createNetwork(lab, name, ...subnets.flatMap((subnet) => ['--subnet', subnet]))
  const workloads = await Promise.all([1, 1, 2].map((host, at) => attachWorkload(lab, lab.host(host), name, `f${at}`)))
  for (const workload of workloads) {
    const { endpoint, sandbox } = workload
    expect(endpoint.addresses.length).toBe(subnets.length)
    for (const subnet of subnets) expect(endpoint.addresses.filter((one) => isFree(one, subnet)).length).toBe(1)
    const addresses = await sandbox.exec('ip -6 address show dev eth0 scope global')
    expect(addresses).toContain(`inet6 ${ipv6Of(workload)}/64 scope global nodad`)
    expect(await sandbox.exec('ip -6 route show default')).toMatch(/^default via fd00:\d+::1 dev eth0 [^\n]*$/)
  }
  await untilAllAnswer(workloads)
  for (const { sandbox } of workloads) expect(await answering(sandbox, gateways)).toEqual(gateways)
  await Promise.all(workloads.map(detachWorkload))
  await Promise.all(workloads.map(({ sandbox }) => sandbox.delete()))
  await lab.overlayctlJson('rm', name)
})

test('a VNI is not used again at once', async () => {
  const { vni } = await createNetwork(lab, 'first', '--subnet', '10.0.13.0/24')
  await lab.overlayctlJson('rm', 'first')
  expect((await createNetwork(lab, 'first', '--subnet', '10.0.13.0/24')).vni).toBe(vni + 1)
  await lab.overlayctlJson('rm', 'first')
})

test('detach and rm leave no device, entry, rule or key', async () => {
  for (const workload of [a, b, c, d, e]) {
    await detachWorkload(workload)
    expect(await workload.sandbox.exec('ip -o link')).not.toContain('eth0')
  }
  await lab.overlayctlJson('rm', 'web', 'other')
  expect(await footprint()).toEqual(before)
})

describe('an underlay of jumbo frames', () => {
  const mtu = 8950
  let lab: Lab
  beforeAll(async () => {
    lab = await startedLab({ hosts: 2, underlayMtu: 9000 })
  })
  afterAll(() => lab?.down())

  test(`gives an MTU of ${mtu}, which the packets keep to`, async () => {
    const network = await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24', '--subnet', 'fd00:9::/64')
    expect(network.mtu).toBe(mtu)
    const [h1, h2] = [lab.host(1), lab.host(2)]
    const capture = await startCapture(h1, lab.directory, { filter: 'udp port 4789' })
    const [one, two] = await Promise.all([attachWorkload(lab, h1, 'web', 'a'), attachWorkload(lab, h2, 'web', 'b')])
    await untilAllAnswer([one, two])
    expect(await one.sandbox.exec('ip link show eth0')).toContain(` mtu ${mtu} `)
    expect(await passesWhole(one.sandbox, two.address, mtu)).toBe(true)
    expect(await passesWhole(one.sandbox, two.address, mtu + 1)).toBe(false)
    const outer = (await (await capture.stop()).vxlan()).map(({ from, to, vni }) => [vni, ...[from, to].toSorted()])
    for (const packet of outer) expect(packet).toEqual([network.vni, ...[h1.address, h2.address].toSorted()])
    expect(outer.length).toBeGreaterThan(0)
  })
})

interface InterfaceJson {
  readonly flags: readonly string[]
  readonly addr_info: readonly unknown[]
}

/** Whether a host may have the address: in the subnet, and neither the subnet's own, broadcast nor the first, the gateway. */
function isFree(address: string, subnet: string): boolean {
  const [cidr, ip] = [parseCidr(subnet), parseIp(address)]
  if (!contains(cidr, ip)) return false
  const { first, last } = hostRange(cidr)
  return ipValue(ip) > first && ipValue(ip) <= last
}
