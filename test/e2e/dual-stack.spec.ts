/** Networks of IPv4 and IPv6, and of IPv6 alone, on underlays of either family. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { vxlanOverhead } from '../../lib/vxlan.ts'
import type { Network } from '../../proto/index.ts'
import { startCapture } from '../lab/capture.ts'
import type { Lab } from '../lab/lab.ts'
import { passesWhole } from '../lab/ping.ts'
import { startedLab } from './started-lab.ts'
import { answering, attachWorkload, createNetwork, ipv6Of, untilAllAnswer, type Workload } from './workload.ts'

/** Bytes; and of an Ethernet frame that carries as much. */
const underlayMtu = 1500
const fullFrame = underlayMtu + 14

describe.each([4, 6] as const)('an underlay of IPv%i', (family) => {
  const mtu = underlayMtu - vxlanOverhead[family]
  let lab: Lab
  let networks: readonly Network[]
  /** On h1 and h2: in `both`, which has IPv4 and IPv6, and in `six`, which has IPv6 alone. */
  let a: Workload, b: Workload, c: Workload, d: Workload

  beforeAll(async () => {
    lab = await startedLab({ hosts: 2, underlayMtu, ipv6Underlay: family === 6 })
    networks = [
      await createNetwork(lab, 'both', '--subnet', '10.0.9.0/24', '--subnet', 'fd00:9::/64'),
      await createNetwork(lab, 'six', '--subnet', 'fd00:6::/64'),
    ]
    const [h1, h2] = [lab.host(1), lab.host(2)]
    ;[a, b, c, d] = await Promise.all([
      attachWorkload(lab, h1, 'both', 'a'),
      attachWorkload(lab, h2, 'both', 'b'),
      attachWorkload(lab, h1, 'six', 'c'),
      attachWorkload(lab, h2, 'six', 'd'),
    ])
  })
  afterAll(() => lab?.down())

  const captured = () => startCapture(lab.host(1), lab.directory, { filter: 'udp port 4789' })
  /** Each workload, and every address that it reaches on the other host. */
  const routes = () =>
    [
      [a, b],
      [b, a],
      [c, d],
      [d, c],
    ].flatMap(([from, to]) =>
      from && to ? to.endpoint.addresses.map((address) => [from.sandbox, address] as const) : [],
    )

  test('every address answers across hosts, at the first packet, and ARP and ND are answered on the host', async () => {
    const wire = await captured()
    for (const [from, address] of routes()) expect(await answering(from, [address])).toEqual([address])
    const packets = await (await wire.stop()).vxlan()
    const sides = [a.host.address, b.host.address]
    // An echo and its reply for each, and nothing else, in the VXLAN of its network.
    expect(packets.map(({ inner: { text } }) => /ICMP6?,? echo (request|reply)/.exec(text)?.[1] ?? text)).toEqual(
      routes().flatMap(() => ['request', 'reply']),
    )
    for (const { from, to } of packets) expect([from, to].toSorted()).toEqual(sides.toSorted())
    const vnis = networks.map(({ vni }) => vni)
    expect([...new Set(packets.map(({ vni }) => vni))]).toEqual(vnis)
    await untilAllAnswer([a, b])
    await untilAllAnswer([c, d])
  })

  test(`the MTU is ${mtu}: what has as many bytes passes in one frame of the underlay, one more does not`, async () => {
    expect(networks.map((network) => network.mtu)).toEqual([mtu, mtu])
    for (const { sandbox } of [a, b, c, d]) expect(await sandbox.exec('ip link show eth0')).toContain(` mtu ${mtu} `)
    const wire = await captured()
    const passing = (size: number) => Promise.all(routes().map(([from, address]) => passesWhole(from, address, size)))
    expect(await passing(mtu)).toEqual(routes().map(() => true))
    expect(await passing(mtu + 1)).toEqual(routes().map(() => false))
    const lengths = (await (await wire.stop()).text()).matchAll(/^\d+\.\d+ .*?, length (\d+): /gm)
    expect(Array.from(lengths, ([, length]) => Number(length))).toEqual(routes().flatMap(() => [fullFrame, fullFrame]))
  })

  test('a network of IPv6 alone gives nothing of IPv4, and the default route leads to its gateway', async () => {
    for (const workload of [c, d]) {
      const { sandbox, endpoint } = workload
      expect(endpoint.addresses).toEqual([ipv6Of(workload)])
      expect(await sandbox.exec('ip -4 address show dev eth0; ip -4 route')).toBe('')
      expect(await sandbox.exec('ip -6 route show default')).toMatch(/^default via fd00:6::1 dev eth0 [^\n]*$/)
      expect(await answering(sandbox, ['fd00:6::1'])).toEqual(['fd00:6::1'])
    }
    for (const from of [a, c]) expect(await answering(from.sandbox, [ipv6Of(from === a ? d : b)])).toEqual([])
  })
})
