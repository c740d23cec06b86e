import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { run, type TestHost, TestHosts, until } from '../kernel/test-host.ts'
import { testNetwork } from '../kernel/test-network.ts'
import { silent } from '../testing/cluster.ts'
import { monitorHostRoutes } from './host-routes-monitor.ts'

let hosts: TestHosts
let host: TestHost
let stop: AbortController

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  stop = new AbortController()
  await run(host, 'ip link add eth0 type veth peer eth1; ip link set eth0 addrgenmode none up')
})
afterEach(async () => {
  stop.abort()
  await hosts.close()
})

/** Resolves when it has told that it is up: with how to end it, and how often it has told of a change. */
async function monitored() {
  const changed = vi.fn()
  let ended: Promise<void> = Promise.resolve()
  await host.within(async () => {
    ended = monitorHostRoutes(changed, { signal: stop.signal, log: silent })
  })
  await until(async () => changed.mock.calls.length > 0)
  return { changed, ended }
}

/** How often it told of what `command` did, and of the route that is added behind it. */
async function toldOf(changed: ReturnType<typeof vi.fn>, action: () => Promise<unknown>) {
  const sentinel = async (route: string) => {
    const before = changed.mock.calls.length
    await run(host, `ip route add blackhole ${route}`)
    await until(async () => changed.mock.calls.length > before)
  }
  await sentinel('10.70.0.0/16')
  const before = changed.mock.calls.length
  await action()
  await sentinel('10.71.0.0/16')
  return changed.mock.calls.length - before
}

test('tells of addresses and routes of its namespace, and ends with the signal', async () => {
  const { changed, ended } = await monitored()
  expect(await toldOf(changed, () => run(host, 'ip addr add 10.8.0.1/24 dev eth0'))).toBeGreaterThan(1)
  stop.abort()
  await ended
})

test('tells once that it is up, though nothing changes, and misses nothing from then on', async () => {
  for (let n = 0; n < 5; n++) {
    const { changed, ended } = await monitored()
    expect(changed).toHaveBeenCalledTimes(1)
    await run(host, `ip route add blackhole 10.7${n}.0.0/16`)
    await until(async () => changed.mock.calls.length === 2)
    stop.abort()
    await ended
    stop = new AbortController()
  }
})

test('what we do is no change', async () => {
  const { changed } = await monitored()
  const network = testNetwork('web', 9, '192.0.2.1')
  expect(await toldOf(changed, () => host.put(...network.items))).toBe(1)
  expect(await run(host, `ip addr show ${network.bridge.name}`)).toContain('10.0.9.1/24')
})
