import { afterEach, beforeEach, expect, test } from 'vitest'
import { run, type TestHost, TestHosts } from './test-host.ts'
import { testNetwork } from './test-network.ts'

let hosts: TestHosts
let host: TestHost
const network = testNetwork('web', 9, '192.0.2.1')

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
})
afterEach(() => hosts.close())

async function sandboxAndVeth() {
  const sandbox = await hosts.namespace()
  const { veth } = network.local(2, sandbox.path, host.kernel.netnsIdentity(sandbox.path).cookie)
  return { sandbox, veth }
}
const links = () => run(host, 'ip -br link')
const index = (name: string) => run(host, `ip -o link show ${name} | cut -d: -f1`)

test('what is made ahead has neither address nor mark, and a put takes it up', async () => {
  const { sandbox, veth } = await sandboxAndVeth()
  await host.put(...network.items)
  host.kernel.prepare(veth)
  expect(await run(sandbox, 'ip -br addr show eth0')).toMatch(/^eth0@\S+\s+DOWN\s*$/)
  expect(await run(host, `ip link show ${veth.name}`)).not.toContain('alias')
  // Work in progress is nothing that an audit is to see.
  expect(await host.state()).not.toContain(veth.name)
  const before = await index(veth.name)
  expect(await host.put(veth)).toEqual([{ ok: true, rebuilt: false }])
  expect(await index(veth.name)).toBe(before)
  expect(await run(sandbox, 'ip -br addr show eth0')).toMatch(/UP\s+10\.0\.9\.\d+\/24/)
  expect(await run(host, `ip link show ${veth.name}`)).toContain(`alias ${veth.alias}`)
  // Nothing is left to abandon.
  host.kernel.abandon(veth.name)
  expect(await links()).toContain(veth.name)
})

test('an MTU that changed meanwhile is set at both ends', async () => {
  const { sandbox, veth } = await sandboxAndVeth()
  await host.put(...network.items)
  host.kernel.prepare(veth)
  await host.put({ ...veth, mtu: 1300 })
  expect(await run(sandbox, 'ip link show eth0')).toContain('mtu 1300')
  expect(await run(host, `ip link show ${veth.name}`)).toContain('mtu 1300')
})

test('what is made ahead and given up is gone, and so is what was swept meanwhile', async () => {
  const { sandbox, veth } = await sandboxAndVeth()
  await host.put(...network.items)
  const before = await links()
  host.kernel.prepare(veth)
  host.kernel.abandon(veth.name)
  expect(await links()).toBe(before)
  expect(await run(sandbox, 'ip -br link')).not.toContain('eth0')

  host.kernel.prepare(veth)
  await host.remove(veth)
  expect(await links()).toBe(before)
  expect(await host.put(veth)).toEqual([{ ok: true, rebuilt: false }])
  expect(await run(sandbox, 'ip -br addr show eth0')).toMatch(/UP/)
})

test('a put that fails takes what was made ahead with it', async () => {
  const { sandbox, veth } = await sandboxAndVeth()
  await host.put(...network.items)
  const before = await links()
  host.kernel.prepare(veth)
  const elsewhere = await hosts.namespace()
  const [result] = await host.put({ ...veth, inside: { ...veth.inside, netns: elsewhere.path } })
  expect(result).toMatchObject({ ok: false, error: { code: 'not_found' } })
  expect(await links()).toBe(before)
  expect(await run(sandbox, 'ip -br link')).not.toContain('eth0')
})

test('nothing is made ahead where it could not be finished', async () => {
  const { sandbox, veth } = await sandboxAndVeth()
  expect(() => host.kernel.prepare(veth)).toThrow('there is no bridge')
  await host.put(...network.items)
  await run(sandbox, 'ip link add eth0 type bridge')
  const before = await links()
  expect(() => host.kernel.prepare(veth)).toThrow('has an interface eth0 already')
  expect(await links()).toBe(before)
})
