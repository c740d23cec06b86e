import { once } from 'node:events'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run, type TestHost, TestHosts, type TestNamespace, until } from '../kernel/test-host.ts'
import { testNetwork } from '../kernel/test-network.ts'
import { idOf } from '../testing/views.ts'
import { isGone } from './vanished.ts'

let hosts: TestHosts
let host: TestHost
let sandbox: TestNamespace
let cookie: string
let veth: ReturnType<ReturnType<typeof testNetwork>['local']>['veth']

beforeEach(async () => {
  hosts = new TestHosts()
  host = await hosts.host()
  const web = testNetwork('web', 9, '192.0.2.1')
  await host.put(...web.items)
  sandbox = await hosts.namespace()
  cookie = host.kernel.netnsIdentity(sandbox.path).cookie
  veth = web.local(2, sandbox.path, cookie).veth
  await host.put(veth)
})
afterEach(() => hosts.close())

/** The endpoint's id is the one whose interface this is. */
const gone = () =>
  isGone(host.kernel, idOf(veth.name.slice('ove'.length)), { path: sandbox.path, cookie, bootId: 'boot-1' })
const linkIsGone = () => until(async () => !host.kernel.hasLink(veth.name))

test('one that is there is not gone, with or without its interface', async () => {
  expect(gone()).toBe(false)
  await run(host, `ip link del ${veth.name}`)
  expect(gone()).toBe(false)
})

test('one that was deleted is gone as soon as the kernel has taken its interface away', async () => {
  await hosts.delete(sandbox)
  await linkIsGone()
  expect(gone()).toBe(true)
})

test('one that lives on without its path is not gone until it ends', async () => {
  const holder = execa('nsenter', [`--net=${sandbox.path}`, 'sh', '-c', 'echo inside; exec sleep 60'], {
    reject: false,
  })
  await once(holder.stdout, 'data')
  try {
    await hosts.delete(sandbox)
    expect(gone()).toBe(false)
    // Nor when another one is at its path.
    await execa('ip', ['netns', 'add', sandbox.name])
    expect(host.kernel.hasLink(veth.name)).toBe(true)
    expect(gone()).toBe(false)
  } finally {
    holder.kill()
    await holder
  }
  try {
    await linkIsGone()
    expect(gone()).toBe(true)
  } finally {
    await execa('ip', ['netns', 'del', sandbox.name], { reject: false })
  }
})

test('where a plain file is left of the path, it is gone with its interface', async () => {
  await execa('umount', [sandbox.path])
  await linkIsGone()
  expect(gone()).toBe(true)
})
