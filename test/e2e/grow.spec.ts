/** Subnets that grow and MTUs that change under running traffic. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Network } from '../../proto/index.ts'
import { startConversation } from '../lab/conversation.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { passesWhole } from '../lab/ping.ts'
import { until } from '../lab/until.ts'
import { expectNoLoss, type Route } from './no-loss.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'
import { answering, attachWorkload, createNetwork, ipv6Of, untilAllAnswer, type Workload } from './workload.ts'

const gateways = ['10.0.9.1', 'fd00:9::c000:0:0:1']
let lab: Lab
let web: Network
/** On h1, h1 and h2. */
let a: Workload, b: Workload, c: Workload

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  // Each is the upper half of what it becomes: the network's own address is another then.
  web = await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24', '--subnet', 'fd00:9:0:0:c000::/66')
  ;[a, b, c] = await Promise.all([
    attachWorkload(lab, lab.host(1), 'web', 'a'),
    attachWorkload(lab, lab.host(1), 'web', 'b'),
    attachWorkload(lab, lab.host(2), 'web', 'c'),
  ])
  await untilAllAnswer([a, b, c])
})
afterAll(() => lab?.down())

/** In both families: across hosts, within one, and to the gateway. */
const routes = (): readonly Route[] => [
  [a.sandbox, c.address],
  [c.sandbox, ipv6Of(a)],
  [a.sandbox, ipv6Of(b)],
  [c.sandbox, gateways[0]],
  [b.sandbox, gateways[1]],
]

/** While `action` runs, no ping is lost, and connections across hosts go on without a loss to make up for. */
async function undisturbed(action: () => Promise<void>): Promise<void> {
  const conversations = [
    await startConversation(a.sandbox, c.sandbox, c.address),
    await startConversation(c.sandbox, a.sandbox, ipv6Of(a)),
  ]
  await expectNoLoss(routes(), action)
  for (const each of conversations) {
    const { sent, echoed, repaired } = await each.stop()
    expect({ echoed, repaired }).toEqual({ echoed: sent, repaired: 0 })
  }
}

/** Global addresses with their prefixes, sorted. */
async function addressesOf(where: Host | Workload['sandbox'], device: string): Promise<readonly string[]> {
  const links = JSON.parse(await where.exec(`ip -j address show dev ${device}`)) as {
    addr_info: { local: string; prefixlen: number; scope: string }[]
  }[]
  const addresses = links.flatMap(({ addr_info }) => addr_info).filter(({ scope }) => scope === 'global')
  return addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`).toSorted()
}

const withPrefixes = (addresses: readonly string[], prefixes: readonly number[]) =>
  addresses.map((address) => `${address}/${prefixes[address.includes(':') ? 1 : 0]}`).toSorted()

/** Waits until these hosts' bridges and their sandboxes have the prefixes, and no others. */
async function untilPrefixes(prefixes: readonly [number, number], workloads: readonly Workload[]): Promise<void> {
  const hosts = new Set(workloads.map(({ host }) => host))
  await until(
    async () => {
      for (const host of hosts)
        expect(await addressesOf(host, `ovbr${web.vni}`)).toEqual(withPrefixes(gateways, prefixes))
      for (const { sandbox, endpoint } of workloads)
        expect(await addressesOf(sandbox, 'eth0')).toEqual(withPrefixes(endpoint.addresses, prefixes))
      return true
    },
    { what: `prefixes of ${prefixes.join(' and ')} everywhere` },
  )
}

test('a subnet grows, and nobody who is there notices', async () => {
  showHostsOnFailure(lab)
  await undisturbed(async () => {
    await lab.overlayctlJson('update', 'web', '--subnet', '10.0.8.0/23', '--subnet', 'fd00:9:0:0:8000::/65')
    await untilPrefixes([23, 65], [a, b, c])
  })
  for (const { sandbox } of [a, b, c]) {
    expect(await answering(sandbox, gateways)).toEqual(gateways)
    expect(await sandbox.exec('ip route show default; ip -6 route show default')).toMatch(
      /^default via 10.0.9.1 dev eth0 .*\ndefault via fd00:9::c000:0:0:1 dev eth0 .*$/,
    )
  }
})

test('endpoints of the new part and of the old one reach each other', async () => {
  const ask = (last: number) => ['--ip', `10.0.8.${last}`, '--ip6', `fd00:9::8000:0:0:${last}`]
  const [here, there] = await Promise.all([
    attachWorkload(lab, lab.host(1), 'web', 'here', ...ask(5)),
    attachWorkload(lab, lab.host(2), 'web', 'there', ...ask(6)),
  ])
  expect([here, there].map(({ endpoint }) => endpoint.addresses)).toEqual([
    ['10.0.8.5', 'fd00:9::8000:0:0:5'],
    ['10.0.8.6', 'fd00:9::8000:0:0:6'],
  ])
  await untilAllAnswer([a, b, c, here, there])
})

test.each([1300, 1450])('the MTU becomes %i at both ends, live', async (mtu) => {
  showHostsOnFailure(lab)
  const mtus = async () => {
    const ofHosts = await Promise.all(lab.hosts.map((host) => host.exec("ip -o link | grep ': ov'")))
    const ofSandboxes = await Promise.all([a, b, c].map(({ sandbox }) => sandbox.exec('ip -o link show eth0')))
    return new Set(
      [...ofHosts, ...ofSandboxes].flatMap((text) => [...text.matchAll(/ mtu (\d+) /g)].map(([, n]) => Number(n))),
    )
  }
  await undisturbed(async () => {
    await lab.overlayctlJson('update', 'web', '--mtu', String(mtu))
    await until(async () => [...(await mtus())].join() === String(mtu), { what: `an MTU of ${mtu} everywhere` })
    const passing = (size: number) =>
      Promise.all(c.endpoint.addresses.map((address) => passesWhole(a.sandbox, address, size)))
    expect(await passing(mtu)).toEqual([true, true])
    expect(await passing(mtu + 1)).toEqual([false, false])
  })
})

test('an agent that was away while it grew catches up when it starts', async () => {
  showHostsOnFailure(lab)
  const { agent } = lab.host(2)
  await undisturbed(async () => {
    await agent.stop()
    await lab.overlayctlJson('update', 'web', '--subnet', '10.0.8.0/22', '--subnet', 'fd00:9::/64', '--mtu', '1400')
    await untilPrefixes([22, 64], [a, b])
    await agent.start()
    await untilPrefixes([22, 64], [c])
  })
  expect(await c.sandbox.exec('ip link show eth0')).toContain(' mtu 1400 ')
  await untilAllAnswer([a, b, c])
})
