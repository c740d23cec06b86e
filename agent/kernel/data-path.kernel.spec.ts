import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import type { FloodEntry } from '../state/item.ts'
import { answers, run, type TestHost, TestHosts, type TestNamespace } from './test-host.ts'
import { testNetwork } from './test-network.ts'

const web = { a: testNetwork('web', 9, '192.0.2.1'), b: testNetwork('web', 9, '192.0.2.2') }
let hosts: TestHosts
let directory: string
let a: TestHost
let b: TestHost
/** Endpoints 2 and 4 on host a, 3 on host b. */
let two: TestNamespace
let three: TestNamespace
let four: TestNamespace

beforeEach(async () => {
  hosts = new TestHosts()
  directory = await mkdtemp(join(tmpdir(), 'overlay-spec-'))
  a = await hosts.host()
  b = await hosts.host()
  await run(a, `ip link add under type veth peer name under netns ${b.name}`)
  await run(a, 'ip addr add 192.0.2.1/24 dev under; ip link set under up')
  await run(b, 'ip addr add 192.0.2.2/24 dev under; ip link set under up')
  const plug = async (host: TestHost, endpoint: number) => {
    const sandbox = await hosts.namespace()
    const { veth, entry } = web.a.local(endpoint, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
    const results = await host.put(veth, entry)
    expect(results.every((result) => result.ok)).toBe(true)
    return sandbox
  }
  await a.put(...web.a.items, ...web.a.remote(3, '192.0.2.2'))
  await b.put(...web.b.items, ...web.b.remote(2, '192.0.2.1'), ...web.b.remote(4, '192.0.2.1'))
  two = await plug(a, 2)
  four = await plug(a, 4)
  three = await plug(b, 3)
})

afterEach(async () => {
  await hosts.close()
  await rm(directory, { recursive: true, force: true })
})

/** Captures on an interface while `body` runs. @returns how many packets a filter matches. */
async function capture(where: TestNamespace, device: string, body: () => Promise<void>) {
  const file = join(directory, `${where.name}-${device}.pcap`)
  const tcpdump = execa('nsenter', [`--net=${where.path}`, 'tcpdump', '-i', device, '-U', '-Z', 'root', '-w', file], {
    reject: false,
  })
  try {
    // It says "listening on" when it does.
    await once(tcpdump.stderr, 'data')
    await body()
  } finally {
    tcpdump.kill('SIGINT')
    await tcpdump
  }
  return async (filter: string) => {
    const { stdout } = await execa('tcpdump', ['-r', file, '-n', filter])
    return stdout === '' ? 0 : stdout.split('\n').length
  }
}

/** The destination MAC of the inner frame, after Ethernet, IPv4, UDP and VXLAN headers. */
const innerMulticast = 'udp port 4789 and ether[50] & 1 = 1'

test('endpoints of two hosts reach each other, and only unicast to known MACs is on the wire', async () => {
  const count = await capture(a, 'under', async () => {
    for (const [from, to] of [
      [two, 3],
      [three, 2],
      [three, 4],
      [two, 4],
      [two, 1],
    ] as const) {
      expect(await answers(from, `10.0.9.${to}`)).toBe(true)
      expect(await answers(from, `fd00:9::${to}`)).toBe(true)
    }
    // Neither an unknown address nor an unknown MAC leaves the host.
    await run(two, 'ip neigh add 10.0.9.78 lladdr 02:00:00:00:00:78 dev eth0')
    expect(
      await Promise.all([answers(two, '10.0.9.77'), answers(two, '10.0.9.78'), answers(two, 'fd00:9::77')]),
    ).toEqual([false, false, false])
    await run(two, 'ping -c 1 -W 1 -b 10.0.9.255 || true')
  })
  expect(await count('udp port 4789 and ether[46:2] = 0x10 and ether[48] = 0x09')).toBeGreaterThanOrEqual(12)
  expect(await count(innerMulticast)).toBe(0)
  expect(await count('udp port 4789 and ether[50:4] = 0x02000000')).toBe(0)
})

test('a unicast frame reaches nobody but the one that it is for', async () => {
  await run(two, 'ip neigh add 10.0.9.78 lladdr 02:00:00:00:00:78 dev eth0')
  const count = await capture(four, 'eth0', async () => {
    await answers(two, '10.0.9.3')
    await answers(three, '10.0.9.2')
    await answers(two, '10.0.9.78')
    await answers(four, '10.0.9.2')
  })
  const own = (await run(four, 'ip -br link show eth0')).split(/\s+/)[2] ?? ''
  expect(await count(`ether host ${own}`)).toBeGreaterThan(0)
  expect(await count(`not ether multicast and not ether host ${own}`)).toBe(0)
})

test('on a multicast network what is for all reaches every host once, and ARP is still answered on the host', async () => {
  const { vxlan } = web.a
  const floodTo = (vtep: string): FloodEntry => ({ kind: 'flood-entry', dev: vxlan.name, vtep: parseIp(vtep) })
  await a.put({ ...web.a.vxlan, floods: true }, floodTo('192.0.2.2'))
  await b.put({ ...web.b.vxlan, floods: true }, floodTo('192.0.2.1'))
  const speak = async () => {
    await run(two, 'ip neigh add 10.0.9.78 lladdr 02:00:00:00:00:78 dev eth0')
    const answered = await run(
      two,
      'for a in "-b 10.0.9.255" 239.1.1.1 "-I fd00:9::2 ff02::1%eth0" 10.0.9.78; do ping -c 1 -W 1 $a; done || true',
    )
    // It stands on each host, and would answer from each.
    expect(answered).not.toContain('from fd00:9::1:')
    expect(await answers(two, '10.0.9.3')).toBe(true)
  }
  const counts: Awaited<ReturnType<typeof capture>>[] = []
  const onOtherHost = await capture(three, 'eth0', async () => {
    counts.push(await capture(four, 'eth0', speak))
  })
  for (const count of [...counts, onOtherHost]) {
    expect(await count('icmp and dst 10.0.9.255')).toBe(1)
    expect(await count('icmp and dst 239.1.1.1')).toBe(1)
    expect(await count('dst ff02::1 and icmp6 and ip6[40] = 128')).toBe(1)
    expect(await count('dst 10.0.9.78')).toBe(0)
  }
  expect(await onOtherHost('arp src host 10.0.9.2 and arp dst host 10.0.9.3')).toBe(0)
})
