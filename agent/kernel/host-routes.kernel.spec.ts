import { afterEach, beforeEach, expect, test } from 'vitest'
import { hostRoutes } from './host-routes.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { ownership } from './ownership.ts'
import { clusterUid, run, type TestHost, TestHosts } from './test-host.ts'
import { testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
let socket: NetlinkSocket

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  socket = await host.within(async () => new NetlinkSocket())
  await run(
    host,
    `ip link add eth0 type veth peer eth1
     ip link set eth0 up; ip link set eth1 up addrgenmode none
     ip addr add 192.0.2.1/24 dev eth0`,
  )
})
afterEach(async () => {
  socket.close()
  await hosts.close()
})

/** One a line: `route 192.0.2.0/24 eth0`. */
const told = async () => {
  const { routes } = await hostRoutes({ socket, owned: ownership(clusterUid) })
  return routes.map(({ kind, cidr, via }) => `${kind} ${cidr.text} ${via}`.trim()).toSorted()
}
const plain = ['address 192.0.2.1/32 eth0', 'route 192.0.2.0/24 eth0']

test('neither loopback, link-local, multicast nor default routes are told', async () => {
  await run(
    host,
    `ip route add default via 192.0.2.9; ip -6 route add default dev eth0
     ip route add 0.0.0.0/1 via 192.0.2.9; ip route add 128.0.0.0/1 via 192.0.2.9; ip -6 route add 2000::/3 dev eth0
     ip addr add 169.254.7.7/16 dev eth1; ip route add 224.0.0.0/4 dev eth0; ip -6 route add ff05::/16 dev eth0
     ip addr add 127.0.0.53/8 dev lo; ip route add local 10.66.0.0/16 dev lo; ip route add throw 10.67.0.0/16`,
  )
  expect(await told()).toEqual(plain)
})

test.each([
  ['of another table', 'ip route add 10.1.0.0/16 via 192.0.2.9 table 1000', ['route 10.1.0.0/16 eth0']],
  ['that leads nowhere', 'ip route add blackhole 10.1.0.0/16', ['route 10.1.0.0/16']],
  ['that leads nowhere, IPv6', 'ip -6 route add unreachable fd01::/32', ['route fd01::/32']],
  ['of IPv6', 'ip -6 route add fd01::/32 dev eth1', ['route fd01::/32 eth1']],
  [
    'with several next hops',
    'ip route add 10.1.0.0/16 nexthop dev eth0 nexthop via 192.0.2.9 dev eth0 nexthop dev eth1',
    ['route 10.1.0.0/16 eth0', 'route 10.1.0.0/16 eth1'],
  ],
  [
    'by a next hop that is an object of its own',
    'ip nexthop add id 7 via 192.0.2.9 dev eth0; ip route add 10.1.0.0/16 nhid 7',
    ['route 10.1.0.0/16 eth0'],
  ],
  [
    'to the other end of a tunnel',
    'ip addr add 10.1.0.1 peer 10.1.0.2/32 dev eth1',
    ['address 10.1.0.1/32 eth1', 'route 10.1.0.2/32 eth1'],
  ],
])('a route %s is told', async (_, command, more) => {
  await run(host, command)
  expect(await told()).toEqual([...plain, ...more].toSorted())
})

test('addresses of both families are told, also those on lo, with their subnets', async () => {
  await run(host, 'ip addr add 10.1.0.1/32 dev lo; ip addr add fd01::1/64 dev eth1')
  expect(await told()).toEqual(
    [...plain, 'address 10.1.0.1/32 lo', 'address fd01::1/128 eth1', 'route fd01::/64 eth1'].toSorted(),
  )
})

test('what is ours is not told, and what is another cluster’s is', async () => {
  const network = testNetwork('web', 9, '192.0.2.1')
  await host.put(...network.items)
  expect(await run(host, `ip addr show ${network.bridge.name}`)).toContain('10.0.9.1/24')
  await run(host, 'ip route add 10.2.0.0/16 via 192.0.2.9 proto 79')
  expect(await told()).toEqual(plain)
  await run(host, `ip link set ${network.bridge.name} alias overlay/other/web`)
  expect(await told()).toContain('route 10.0.9.0/24 ' + network.bridge.name)
})

test('of very many the widest are told, and others run meanwhile', async () => {
  await run(
    host,
    `for a in $(seq 0 79); do for b in $(seq 0 255); do echo "route add blackhole 10.$a.$b.0/24"; done; done | ip -batch -
     ip route add blackhole 172.16.0.0/12`,
  )
  let turns = 0
  const counting = setInterval(() => turns++, 1)
  const { routes, truncated } = await hostRoutes({ socket, owned: ownership(clusterUid) }, 1_000)
  clearInterval(counting)
  expect(truncated).toBe(true)
  expect(routes).toHaveLength(1_000)
  expect(routes[0]?.cidr.text).toBe('172.16.0.0/12')
  expect(turns).toBeGreaterThan(1)
  // Nothing of the answer is left over.
  expect((await hostRoutes({ socket, owned: ownership(clusterUid) })).routes.length).toBeGreaterThan(20_000)
})
