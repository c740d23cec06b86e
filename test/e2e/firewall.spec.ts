/**
 * Beside Docker and other firewalls: the hosts are routers, bridged frames pass
 * their FORWARD chains, and those drop. h1 and h3 had their rules before the
 * agent started; h2 and h4 get them while their agents are away, so that it can
 * be seen what the rules do.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCapture } from '../lab/capture.ts'
import { dropForwarded, type ForwardDrop, setForwarding } from '../lab/firewall.ts'
import type { Host } from '../lab/host.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import type { Netns } from '../lab/netns.ts'
import { until } from '../lab/until.ts'
import { firewallText } from './footprint.ts'
import { answering, attachWorkload, createNetwork, detachWorkload, untilAllAnswer, type Workload } from './workload.ts'

const drops: readonly ForwardDrop[] = [
  { by: 'iptables-nft', docker: true },
  { by: 'nft' },
  { by: 'iptables-legacy', docker: true },
  { by: 'iptables-legacy' },
]
let lab: Lab
/** Of `web` and `other`. */
let vnis: readonly number[] = []
/** As the rules were when only others had written any. */
const foreign = new Map<Host, string>()
/** Two on each host, in host order. */
let web: readonly Workload[] = []
/** One on h1 and one on h3, in another network. */
let other: readonly Workload[] = []

beforeAll(async () => {
  lab = await createLab({ hosts: 4 })
  const [h1, h3] = [lab.host(1), lab.host(3)]
  for (const host of lab.hosts) {
    await setForwarding(host, true)
    // Per namespace, on by default; written all the same, because other kernels differ.
    for (const family of ['ip', 'ip6']) await host.exec(`echo 1 > /proc/sys/net/bridge/bridge-nf-call-${family}tables`)
  }
  await dropOn([h1, h3])
  await lab.start()
  const networks = [
    await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24', '--subnet', 'fd00:9::/64'),
    await createNetwork(lab, 'other', '--subnet', '10.0.10.0/24', '--subnet', 'fd00:10::/64'),
  ]
  vnis = networks.map(({ vni }) => vni)
  web = await Promise.all(
    lab.hosts.flatMap((host) => ['a', 'b'].map((name) => attachWorkload(lab, host, 'web', `${name}-${host.name}`))),
  )
  other = await Promise.all([h1, h3].map((host) => attachWorkload(lab, host, 'other', `other-${host.name}`)))
})
afterAll(() => lab?.down())

test('rules that come later cut the traffic on a host, until the agent looks', async () => {
  const later = [lab.host(2), lab.host(4)]
  for (const host of later) await untilAllAnswer(on(host))
  await Promise.all(later.map((host) => host.agent.kill()))
  await dropOn(later)
  for (const host of later) {
    const [one, two] = on(host) as [Workload, Workload]
    expect(await answering(one.sandbox, two.endpoint.addresses)).toEqual([])
  }
  await Promise.all(later.map((host) => host.agent.start()))
  for (const host of later) await untilAllAnswer(on(host))
})

test('everyone answers everyone, on each host and across', async () => {
  for (const host of lab.hosts) await untilAllAnswer(on(host))
  await untilAllAnswer(web.filter(({ name }) => name.startsWith('a')))
})

test('the programs that made the rules can still read them, with ours among them', async () => {
  for (const program of ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy']) {
    const host = lab.host(program.endsWith('nft') ? 1 : 3)
    expect(await host.exec([program, '-S', 'FORWARD'])).toBe('-P FORWARD DROP\n-A FORWARD -j DOCKER-USER')
    const rules = (await host.exec([program, '-S', 'DOCKER-USER'])).split('\n')
    expect(rules.at(0)).toBe('-N DOCKER-USER')
    expect(rules.at(-1)).toBe('-A DOCKER-USER -j RETURN')
    expect(rules.slice(1, -1).toSorted()).toEqual(
      vnis.map((vni) => `-A DOCKER-USER -i ovbr${vni} -o ovbr${vni} -m comment --comment overlay -j ACCEPT`).toSorted(),
    )
  }
})

test('a second network stays apart, whatever is routed through the gateways', async () => {
  for (const { sandbox } of web) await sandbox.exec(routes('10.0.10.0/24 via 10.0.9.1', 'fd00:10::/64 via fd00:9::1'))
  for (const { sandbox } of other) await sandbox.exec(routes('10.0.9.0/24 via 10.0.10.1', 'fd00:9::/64 via fd00:10::1'))
  await expectApart()
})

test('networks are apart where nobody else drops, and only by our table', async () => {
  const h1 = lab.host(1)
  for (const program of ['iptables-nft', 'ip6tables-nft']) await h1.exec([program, '-P', 'FORWARD', 'ACCEPT'])
  await expectApart()
  await h1.agent.kill()
  await h1.exec('nft delete table inet overlay')
  const [one] = on(h1) as [Workload]
  const [neighbour] = other as [Workload]
  expect(await answering(one.sandbox, neighbour.endpoint.addresses)).toEqual(neighbour.endpoint.addresses)
  expect(await getsForged(neighbour, one.sandbox)).toBe(true)
  await h1.agent.start()
  await until(() => h1.exec('nft list table inet overlay'), { what: 'our table to be there again' })
  await expectApart()
  expect(await getsForged(neighbour, one.sandbox)).toBe(false)
})

test('through its gateway a sandbox reaches neither the underlay nor another address of the host', async () => {
  const [h1, h2] = [lab.host(1), lab.host(2)]
  const capture = await startCapture(h1, lab.directory, { filter: 'icmp or icmp6' })
  const [one] = on(h1) as [Workload]
  const own = ['10.0.9.1', 'fd00:9::1']
  const others = [h1.address, h2.address, '192.168.200.254', '10.0.10.1', 'fd00:10::1']
  expect(await answering(one.sandbox, [...own, ...others])).toEqual(own)
  expect(await (await capture.stop()).frames()).toEqual([])
  // The policy is ACCEPT here since the test above: it was not that which dropped.
  for (const program of ['iptables-nft', 'ip6tables-nft']) await h1.exec([program, '-P', 'FORWARD', 'DROP'])
})

test("others' rules are as they were when everything is detached", async () => {
  await Promise.all([...web, ...other].map(detachWorkload))
  for (const host of lab.hosts) expect(await firewallText(host)).toBe(foreign.get(host))
})

/** Neither network has an answer from the other. */
async function expectApart(): Promise<void> {
  const some = web.filter(({ name }) => name.startsWith('a'))
  const from = (workloads: readonly Workload[], to: readonly Workload[]) =>
    workloads.map(({ sandbox }) =>
      answering(
        sandbox,
        to.flatMap(({ endpoint }) => endpoint.addresses),
      ),
    )
  expect((await Promise.all([...from(some, other), ...from(other, some)])).flat()).toEqual([])
}

/** Whether it gets a frame that a sandbox sends to the host in VXLAN, as another host would. */
async function getsForged({ sandbox, endpoint, host }: Workload, from: Netns): Promise<boolean> {
  const capture = await startCapture(sandbox, lab.directory, { filter: 'ether proto 0x88b5' })
  const [, vni = 0] = vnis
  const header = `08000000${vni.toString(16).padStart(6, '0')}00`
  const frame = `${endpoint.mac}020000000001`.replaceAll(':', '') + '88b5'.padEnd(100, '0')
  for (const address of ['10.0.9.1', host.address]) {
    const script = `const socket = require('node:dgram').createSocket('udp4')
      socket.send(Buffer.from('${header}${frame}', 'hex'), 4789, '${address}', () => socket.close())`
    await from.exec([process.execPath, '--eval', script])
  }
  return (await (await capture.stop()).frames()).length > 0
}

async function dropOn(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) {
    await dropForwarded(host, drops[lab.hosts.indexOf(host)] as ForwardDrop)
    foreign.set(host, (await firewallText(host)).replace(/^table inet overlay \{[^]*?^\}\n?/m, ''))
  }
}

/** The two on a host that are in `web`. */
function on(host: Host): readonly Workload[] {
  return web.filter((workload) => workload.host === host)
}

function routes(...all: readonly string[]): string {
  return all.map((route) => `ip route replace ${route}`).join(' && ')
}
