import { describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { put, remove } from '../../store/store.ts'
import type { TestAgent } from '../testing/agent.ts'
import type { TestCluster } from '../testing/cluster.ts'
import { withOneAgent } from '../testing/one-agent.ts'

let cluster: TestCluster
let agent: TestAgent
let before: readonly string[]

withOneAgent((one) => {
  ;({ cluster, agent, before } = one)
})

const attached = async (name: string, request = {}) => (await agent.attach(name, request)).endpoint?.id ?? ''

async function nothingIsLeft(): Promise<void> {
  expect(await cluster.held()).toEqual(before)
  expect([...agent.kernel.items.keys()]).toEqual([])
  expect(agent.parts.intents.open()).toEqual([])
  expect([...agent.parts.sync.followed()]).toEqual([])
}

describe('detach', () => {
  it.each<[string, (id: string) => object]>([
    ['by id', (id) => ({ endpointId: id })],
    ['by the beginning of its id', (id) => ({ endpointId: id.slice(0, 4) })],
    ['by its name', () => ({ endpointId: 'db' })],
    ['by its name and network', () => ({ endpointId: 'db', network: 'web' })],
    ['by network and sandbox', () => ({ network: 'web', netns: '/run/netns/c1' })],
  ])('%s leaves nothing but resting addresses', async (_, request) => {
    const { endpoint } = await agent.attach('c1', { name: 'db' })
    const answer = await agent.detach(request(endpoint?.id ?? ''))
    expect(answer).toEqual({ endpoint, warning: '' })
    await nothingIsLeft()
    expect(await cluster.paths()).toContain(`released/web/${endpoint?.addresses[0]}`)
  })

  it('of a sandbox that is gone goes by its path', async () => {
    await agent.attach('c1')
    agent.kernel.sandboxes.delete('/run/netns/c1')
    await agent.detach({ network: 'web', netns: '/run/netns/c1' })
    await nothingIsLeft()
  })

  it('of another sandbox at the same path finds nothing', async () => {
    await agent.attach('c1')
    agent.kernel.sandboxes.set('/run/netns/c1', '999')
    await expect(agent.detach({ network: 'web', netns: '/run/netns/c1' })).rejects.toMatchObject({ code: 'not_found' })
  })

  it('of one of several leaves the others', async () => {
    const id = await attached('c1')
    await attached('c2')
    await agent.detach({ endpointId: id })
    expect(agent.links()).toHaveLength(3)
    await agent.detach({ network: 'web', netns: '/run/netns/c2' })
    await nothingIsLeft()
  })

  it('twice at once succeeds once', async () => {
    const endpointId = await attached('c1')
    const results = await Promise.allSettled([agent.detach({ endpointId }), agent.detach({ endpointId })])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(results[1]).toMatchObject({ reason: { code: 'not_found' } })
    await nothingIsLeft()
  })

  it('and attach again, over and over', async () => {
    const addresses = new Set<string>()
    for (let n = 0; n < 10; n++) {
      const { endpoint } = await agent.attach('c1', { name: 'db' })
      for (const address of endpoint?.addresses ?? []) addresses.add(address)
      await agent.detach({ endpointId: endpoint?.id ?? '' })
    }
    await nothingIsLeft()
    expect(addresses.size).toBe(10)
  })
})

describe('refusals', () => {
  it.each([
    [{}, 'invalid', 'name an endpoint, or a network and a sandbox'],
    [{ network: 'web' }, 'invalid', 'name the network namespace'],
    [{ endpointId: 'abc' }, 'not_found', 'there is no endpoint abc on node host-1'],
    [{ endpointId: 'a_b' }, 'invalid', '"a_b" is neither an endpoint’s id'],
    [{ endpointId: '0'.repeat(32) }, 'not_found', `there is no endpoint ${'0'.repeat(32)} on node host-1`],
    [{ network: 'web', netns: '/run/netns/c9' }, 'not_found', 'no attachment of /run/netns/c9 to web on node host-1'],
    [{ endpointId: '0000', node: 'host-2' }, 'invalid', 'this is the agent of host-1, not of host-2'],
  ])('%j', async (request, code, message) => {
    const failed = agent.detach(request)
    await expect(failed).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message.replaceAll('’', "'")),
    })
  })

  it('what names more than one names none', async () => {
    await attached('c1')
    await attached('c1', { ifname: 'eth1' })
    await expect(agent.detach({ network: 'web', netns: '/run/netns/c1' })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/^that names more than one endpoint: .*\(eth0 in web\), .*\(eth1 in web\): give/),
    })
  })

  it('a name that several networks have is one only with its network', async () => {
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const ids = [await attached('c1', { name: 'one' }), await attached('c2', { name: 'one', network: 'db' })]
    await expect(agent.detach({ endpointId: 'one' })).rejects.toMatchObject({ code: 'invalid' })
    expect((await agent.detach({ endpointId: 'one', network: 'db' })).endpoint?.id).toBe(ids[1])
    expect((await agent.detach({ endpointId: 'one' })).endpoint?.id).toBe(ids[0])
  })

  it('what the kernel cannot take down at first is taken down later', async () => {
    const busy = new OverlayError('conflict', 'device is busy')
    const endpointId = await attached('c1')
    agent.kernel.failure = ({ do: what }) => (what === 'delete' ? busy : undefined)
    await expect(agent.detach({ endpointId })).rejects.toBe(busy)
    agent.kernel.failure = () => undefined
    await agent.until(() => agent.parts.intents.open().length === 0 && agent.kernel.items.size === 0)
    await nothingIsLeft()
  })
})

describe('on hold', () => {
  it('nothing can be attached, everything can be detached', async () => {
    const gone = await attached('c1')
    const other = await attached('c2')
    const { keys } = cluster.store
    const entry = await cluster.store.get(keys.endpoint('web', gone))
    // Somebody's etcdctl.
    await cluster.store.commit({ compares: [], writes: [remove(keys.endpoint('web', gone))] })
    await agent.until(() => agent.agent.status().state === 'HOLDING')
    expect(agent.agent.status().reason).toContain(`endpoint ${gone} of network web lives on this host`)
    await agent.parts.reconciler.audit()
    expect(agent.links()).toHaveLength(4)
    await expect(agent.attach('c3')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('this agent attaches nothing while it holds'),
    })
    expect((await agent.detach({ endpointId: other })).warning).toBe('')
    expect(agent.links()).toHaveLength(3)
    // The record comes back, and with it trust.
    await cluster.store.commit({ compares: [], writes: [put(keys.endpoint('web', gone), entry?.value ?? {})] })
    await agent.until(() => agent.agent.status().state === 'READY')
    expect(agent.links()).toHaveLength(3)
  })

  it('the endpoint that was lost can be detached, and that ends it', async () => {
    const endpointId = await attached('c1')
    const { store } = cluster
    await store.commit({ compares: [], writes: [remove(store.keys.endpoint('web', endpointId))] })
    await agent.until(() => agent.agent.status().state === 'HOLDING')
    expect((await agent.detach({ endpointId })).endpoint?.id).toBe(endpointId)
    await agent.until(() => agent.agent.status().state === 'READY' && agent.kernel.items.size === 0)
  })

  it('a network that was lost comes back, or goes with its last endpoint', async () => {
    const endpointId = await attached('c1')
    const { store } = cluster
    const key = store.keys.network('web')
    const entry = await store.get(key)
    await store.commit({ compares: [], writes: [remove(key)] })
    await agent.until(() => agent.agent.status().state === 'HOLDING')
    await store.commit({ compares: [], writes: [put(key, entry?.value ?? {})] })
    await agent.until(() => agent.agent.status().state === 'READY')
    await store.commit({ compares: [], writes: [remove(key)] })
    await agent.until(() => agent.agent.status().state === 'HOLDING')
    await agent.parts.reconciler.audit()
    expect(agent.links()).toHaveLength(3)
    await agent.detach({ endpointId })
    await agent.until(() => agent.agent.status().state === 'READY' && agent.kernel.items.size === 0)
  })
})
