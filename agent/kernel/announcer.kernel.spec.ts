import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import type { Veth } from '../state/item.ts'
import { Announcer } from './announcer.ts'
import type { Announcement } from './kernel.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { ownership } from './ownership.ts'
import { clusterUid, run, type TestHost, TestHosts, type TestNamespace, until } from './test-host.ts'
import { testNetwork } from './test-network.ts'

const network = testNetwork('web', 9, '192.0.2.1')
const bridge = network.bridge.name
const formerMac = '02:00:00:00:00:05'
const mac = parseMac('02:00:00:00:00:06')
const moved = [parseIp('10.0.9.5'), parseIp('fd00:9::5')]
const others = [parseIp('10.0.9.6'), parseIp('fd00:9::6')]

let hosts: TestHosts
let host: TestHost
let two: TestNamespace
let four: TestNamespace
let vethOfFour: Veth

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  await host.put(...network.items)
  const plug = async (number: number) => {
    const sandbox = await hosts.namespace()
    const { veth, entry } = network.local(number, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
    await host.put(veth, entry)
    return { sandbox, veth }
  }
  two = (await plug(2)).sandbox
  ;({ sandbox: four, veth: vethOfFour } = await plug(4))
})
afterEach(() => hosts.close())

/** It has spoken with whom had the addresses before. */
async function remember(where: TestNamespace, device: string, addresses: readonly Ip[]): Promise<void> {
  for (const address of addresses)
    await run(where, `ip neigh replace ${address} lladdr ${formerMac} nud reachable dev ${device}`)
}

/** The MACs that it has for the addresses. */
const macsOf = async (where: TestNamespace, device: string, addresses: readonly Ip[]) =>
  Promise.all(
    addresses.map(async (address) => {
      const entry = await run(where, `ip neigh show ${address} dev ${device}`)
      return /lladdr (\S+)/.exec(entry)?.[1] ?? entry
    }),
  )

const announcements = (addresses: readonly Ip[], port?: string): readonly Announcement[] =>
  addresses.map((address) => ({ bridge, address, mac, port }))

const has = (where: TestNamespace, addresses: readonly Ip[]) => async () =>
  (await macsOf(where, 'eth0', addresses)).every((found) => found === mac)

test('an entry has the new MAC at once, in both families; who has none gets none', async () => {
  await remember(two, 'eth0', moved)
  await remember(four, 'eth0', others)
  await host.within(() => host.kernel.announce(announcements([...moved, ...others])))
  await until(has(two, moved))
  await until(has(four, others))
  expect(await macsOf(two, 'eth0', others)).toEqual(['', ''])
  expect(await macsOf(four, 'eth0', moved)).toEqual(['', ''])
})

test('the one that has the address is not told; what the host has found out of it is forgotten', async () => {
  await remember(host, bridge, [...moved, ...others])
  await remember(two, 'eth0', moved)
  await remember(four, 'eth0', [...moved, ...others])
  await host.within(() => host.kernel.announce([...announcements(moved, vethOfFour.name), ...announcements(others)]))
  await until(has(two, moved))
  await until(has(four, others))
  expect(await macsOf(four, 'eth0', moved)).toEqual([formerMac, formerMac])
  expect(await macsOf(host, bridge, moved)).toEqual(['', ''])
  expect(await macsOf(host, bridge, others)).toEqual([formerMac, formerMac])
})

test('nothing of it goes into the bridge, so that no entry is made and nothing leaves by the VXLAN device', async () => {
  const { vxlan } = network
  await host.put({ ...vxlan, floods: true }, network.flood('192.0.2.2'))
  await run(host, `bridge link set dev ${vxlan.name} neigh_suppress off`)
  await run(
    host,
    `nft 'table netdev spec {
      chain out { type filter hook egress device ${vxlan.name} priority 0; meta protocol arp counter; icmpv6 type nd-neighbor-advert counter; }
    }'`,
  )
  const left = async () => (await run(host, 'nft list table netdev spec')).match(/packets \d+/g)
  const entries = () => run(host, 'bridge fdb show')
  const before = await entries()
  await remember(two, 'eth0', moved)
  await host.within(() => host.kernel.announce(announcements(moved)))
  await until(has(two, moved))
  expect(await entries()).toBe(before)
  expect(await left()).toEqual(['packets 0', 'packets 0'])
  // What does go into it leaves.
  await run(host, 'ping -c 1 -W 0.1 10.0.9.92 || true')
  expect((await left())?.[0]).not.toBe('packets 0')
})

test('what cannot be told is logged once, and the others are told', async () => {
  const warnings: string[] = []
  const log = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) })
  await remember(two, 'eth0', moved)
  // Too small for the advertisement.
  await run(host, `ip link set ${vethOfFour.name} mtu 68`)
  const nowhere = { bridge: 'ovbr1', address: others[0] as Ip, mac, port: undefined }
  await host.within(async () => {
    const socket = new NetlinkSocket()
    const announcer = new Announcer({ socket, owned: ownership(clusterUid), log })
    await announcer.announce([nowhere, ...announcements(moved)])
    announcer.close()
    await announcer.announce(announcements(moved))
    socket.close()
  })
  await until(has(two, moved))
  expect(warnings.map((line) => JSON.parse(line) as unknown)).toEqual([expect.objectContaining({ failures: 1 })])
})
