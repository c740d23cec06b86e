import { describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { OutcomeUnknownError, put, remove } from '../../store/store.ts'
import { removeLink, type TestAgent, type TestHost } from '../testing/agent.ts'
import type { TestCluster } from '../testing/cluster.ts'
import { withOneAgent } from '../testing/one-agent.ts'

let cluster: TestCluster
let agent: TestAgent
let host: TestHost

withOneAgent((one) => {
  ;({ cluster, agent, host } = one)
})

const attach = async (name: string, request = {}) => {
  const { endpoint } = await agent.attach(name, request)
  if (!endpoint) throw new Error('nothing was attached')
  return endpoint
}
const record = async (id: string) => cluster.store.get(cluster.store.keys.endpoint('web', id))
const vethOf = (id: string) => host.kernel.items.get(`link ove${id.slice(0, 12)}`)
const count = () => cluster.store.count(cluster.store.keys.allEndpoints)
const restart = (name: string) => {
  host.removeSandbox(name)
  host.makeSandbox(name)
}

describe('a sandbox in the place of one that is gone', () => {
  it('at the same path has the endpoint back: the same but for the sandbox', async () => {
    const before = await attach('c1', { labels: { tier: 'db' }, gwPriority: 3 })
    const entry = await record(before.id)
    const json = JSON.stringify({ ...entry?.json, rack: 'r7' })
    await cluster.store.commit({
      compares: [],
      writes: [{ do: 'put', path: entry?.path ?? '', value: json, lease: undefined }],
    })
    restart('c1')
    const answer = await agent.attach('c1')
    const cookie = host.kernel.sandboxes.get('/run/netns/c1')
    expect(answer).toEqual({
      endpoint: { ...before, sandbox: { ...before.sandbox, cookie } },
      alreadyAttached: false,
    })
    expect((await record(before.id))?.json).toMatchObject({ rack: 'r7', sandbox: { cookie } })
    expect((await record(before.id))?.createRevision).toBe(entry?.createRevision)
    expect(vethOf(before.id)).toMatchObject({ inside: { cookie, netns: '/run/netns/c1', ifname: 'eth0' } })
    expect(agent.agent.status()).toMatchObject({ problems: [], localEndpointCount: 1 })
    // Now it is attached as any other is.
    expect((await agent.attach('c1')).alreadyAttached).toBe(true)
    await agent.detach({ endpointId: before.id })
    expect(await count()).toBe(0)
  })

  it('of the same name has it back wherever it is; what it asks for and may change changes', async () => {
    const before = await attach('c1', { name: 'db', labels: { tier: 'db' } })
    host.removeSandbox('c1')
    host.kernel.foreignInterfaces.set('/run/netns/other', ['eth1'])
    const after = await attach('other', { name: 'db', ifname: 'net0', labels: { tier: 'new' }, gwPriority: 7 })
    expect(after).toMatchObject({
      id: before.id,
      addresses: before.addresses,
      mac: before.mac,
      ifname: 'net0',
      labels: { tier: 'new' },
      gwPriority: 7,
    })
    expect(vethOf(before.id)).toMatchObject({ inside: { netns: '/run/netns/other', ifname: 'net0' } })
  })

  it('takes another interface name where its own is taken', async () => {
    const { id } = await attach('c1')
    restart('c1')
    host.kernel.foreignInterfaces.set('/run/netns/c1', ['eth0'])
    expect(await attach('c1')).toMatchObject({ id, ifname: 'eth1' })
  })

  it('has each of several interfaces back', async () => {
    const first = await attach('c1', { ifname: 'eth0' })
    const second = await attach('c1', { ifname: 'eth1' })
    restart('c1')
    expect((await attach('c1', { ifname: 'eth1' })).id).toBe(second.id)
    expect((await attach('c1', { ifname: 'eth0' })).id).toBe(first.id)
    expect(await count()).toBe(2)
  })

  it('waits for the end of the other, which the kernel takes its time for', async () => {
    const { id } = await attach('c1')
    // The new one is there, and the interface of the other too.
    host.makeSandbox('c1')
    const attaching = attach('c1')
    setTimeout(() => removeLink(host.kernel, `ove${id.slice(0, 12)}`), 100)
    expect((await attaching).id).toBe(id)
  })

  it('has it back on a drained node: it is nothing new', async () => {
    const { id } = await attach('c1')
    const drain = { node: 'host-1', reason: 'disk' }
    await cluster.store.commit({ compares: [], writes: [put(cluster.store.keys.drain('host-1'), drain)] })
    restart('c1')
    expect((await attach('c1')).id).toBe(id)
    await expect(agent.attach('c2')).rejects.toMatchObject({ code: 'failed_precondition' })
  })

  it('that cannot be plugged in leaves the endpoint to wait', async () => {
    const { id, sandbox } = await attach('c1')
    restart('c1')
    host.kernel.failure = ({ do: what, item }) =>
      what === 'put' && item.kind === 'veth' ? new OverlayError('invalid', 'no such luck') : undefined
    await expect(agent.attach('c1')).rejects.toThrow('no such luck')
    host.kernel.failure = () => undefined
    expect((await record(id))?.value.sandbox).toEqual(sandbox)
    expect(agent.agent.status().problems).toMatchObject([expect.stringContaining('its sandbox /run/netns/c1 is gone')])
    expect((await attach('c1')).id).toBe(id)
  })

  it('that is plugged in only in part is left again, and the endpoint waits', async () => {
    const { id, sandbox } = await attach('c1')
    restart('c1')
    host.kernel.failure = ({ do: what, item }) =>
      what === 'put' && item.kind === 'port-entry' ? new OverlayError('invalid', 'no such luck') : undefined
    await expect(agent.attach('c1')).rejects.toThrow('no such luck')
    host.kernel.failure = () => undefined
    expect((await record(id))?.value.sandbox).toEqual(sandbox)
    await agent.until(() => agent.agent.status().problems.length === 1)
    expect(agent.agent.status().problems).toMatchObject([expect.stringContaining('its sandbox /run/netns/c1 is gone')])
    expect(vethOf(id)).toBeUndefined()
    expect((await attach('c1')).id).toBe(id)
    expect(await count()).toBe(1)
  })

  it('has nothing back of a node that is evicted at that moment', async () => {
    const { id } = await attach('c1')
    restart('c1')
    const { keys } = cluster.store
    const { view } = agent.parts
    vi.spyOn(agent.parts.store, 'commit').mockImplementationOnce(async (transaction) => {
      const outcome = await cluster.store.commit(transaction)
      const gone = [keys.node('host-1'), keys.endpoint('web', id), keys.placement('host-1', 'web', id)]
      await cluster.store.commit({ compares: [], writes: gone.map((key) => remove(key)) })
      await agent.until(() => view.endpoint('web', id) === undefined)
      return outcome
    })
    await expect(agent.attach('c1')).rejects.toMatchObject({ code: 'failed_precondition' })
    expect([...view.localEndpoints()]).toEqual([])
  })

  it('whose answer is lost has it back in the end', async () => {
    const { id } = await attach('c1')
    restart('c1')
    await agent.parts.reconciler.audit()
    vi.spyOn(agent.parts.store, 'commit').mockImplementationOnce(async (transaction) => {
      await cluster.store.commit(transaction)
      throw new OutcomeUnknownError(new Error('lost'))
    })
    await expect(agent.attach('c1')).rejects.toMatchObject({ code: 'unavailable' })
    await agent.until(() => vethOf(id) !== undefined)
    expect((await attach('c1')).id).toBe(id)
  })
})

describe('what is no restart', () => {
  it.each([
    ['a network apart', { network: 'db' }],
    ['another name', { name: 'www' }],
    ['other addresses', { addresses: ['10.0.9.200'] }],
    ['another MAC', { mac: '02:42:00:00:00:07' }],
  ])('%s: it gets an endpoint of its own', async (_, request) => {
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const { id } = await attach('c1')
    restart('c1')
    expect((await attach('c1', request)).id).not.toBe(id)
    expect(await count()).toBe(2)
  })

  it('a path by a process says nothing of another process', async () => {
    const { id } = await attach('/proc/4711/ns/net')
    restart('/proc/4711/ns/net')
    expect((await attach('/proc/4711/ns/net')).id).not.toBe(id)
  })

  it('the name with other addresses is refused, saying what to do', async () => {
    const { id, addresses } = await attach('c1', { name: 'db' })
    host.removeSandbox('c1')
    await expect(agent.attach('c2', { name: 'db', addresses: ['10.0.9.200'] })).rejects.toMatchObject({
      code: 'already_exists',
      message: expect.stringMatching(
        `^endpoint ${id} has the name "db", whose sandbox is gone, with ${addresses[0]} and MAC .*: attach without asking for others to have it back, or detach it first \\("overlayctl detach ${id}"\\)`,
      ),
    })
    expect(await count()).toBe(1)
  })

  it('its address is refused to others for that time, saying for how long', async () => {
    const { id, addresses } = await attach('c1')
    host.removeSandbox('c1')
    await agent.until(() => agent.agent.status().problems.length > 0)
    await expect(agent.attach('c2', { addresses })).rejects.toMatchObject({
      code: 'already_exists',
      message: expect.stringMatching(
        `is taken in web by endpoint ${id} .*; of endpoint ${id}: its sandbox /run/netns/c1 is gone; its addresses are released in \\d+ s, .*"overlayctl detach ${id}" releases them now`,
      ),
    })
  })

  it('the name of one that lives is taken', async () => {
    await attach('c1', { name: 'db' })
    await expect(agent.attach('c2', { name: 'db' })).rejects.toThrow('name "db" is taken in web by endpoint')
  })

  it('the end of the other sandbox may be asked for by its path', async () => {
    await attach('c1')
    restart('c1')
    await agent.parts.reconciler.audit()
    await agent.detach({ network: 'web', netns: '/run/netns/c1' })
    expect(await count()).toBe(0)
  })

  it('its end may be asked for by its path where a plain file is left of that', async () => {
    await attach('c1')
    host.removeSandbox('c1')
    const identity = host.kernel.netnsIdentity.bind(host.kernel)
    host.kernel.netnsIdentity = () => {
      throw new OverlayError('invalid', '/run/netns/c1 is not a network namespace')
    }
    await expect(agent.detach({ network: 'web', netns: '/run/netns/other' })).rejects.toMatchObject({ code: 'invalid' })
    await agent.detach({ network: 'web', netns: '/run/netns/c1' })
    host.kernel.netnsIdentity = identity
    expect(await count()).toBe(0)
  })
})
