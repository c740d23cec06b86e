import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { itemId } from '../state/item.ts'
import { createHost, startAgent, type TestAgent, type TestHost } from '../testing/agent.ts'
import { openCluster, type TestCluster } from '../testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let agent: TestAgent
let before: readonly string[]

beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())
beforeEach(async () => {
  cluster = await openCluster(etcd)
  host = createHost(1)
  agent = await startAgent(cluster, host)
  await cluster.addNetwork('web')
  before = await cluster.paths()
})
afterEach(async () => {
  await agent.stop()
  await cluster.close()
  host.remove()
})

/** Nothing is left in store or kernel but resting addresses; nothing is open. */
async function nothingIsLeft(): Promise<void> {
  const paths = async () => (await cluster.paths()).filter((path) => !path.startsWith('released/'))
  await agent.until(async () => (await paths()).length === before.length && agent.kernel.items.size === 0)
  expect(await paths()).toEqual(before)
  expect(agent.parts.intents.open()).toEqual([])
  expect([...agent.parts.sync.followed()]).toEqual([])
}

describe('attach', () => {
  it('claims, plugs in, and tells what came of it', async () => {
    const { endpoint, alreadyAttached } = await agent.attach('c1', { name: 'db', labels: { a: 'b' } })
    expect(alreadyAttached).toBe(false)
    expect(endpoint).toMatchObject({
      network: 'web',
      node: 'host-1',
      name: 'db',
      ifname: 'eth0',
      labels: { a: 'b' },
      addresses: [expect.stringMatching(/^10\.0\.9\.\d+$/)],
      sandbox: { kind: 'NAMESPACE', bootId: 'boot-of-1', cookie: '11', path: '/run/netns/c1' },
    })
    const id = endpoint?.id ?? ''
    const { store } = cluster
    expect((await store.get(store.keys.endpoint('web', id)))?.value).toEqual(endpoint)
    expect(agent.links()).toEqual(['link ovbr7', `link ove${id.slice(0, 12)}`, 'link ovvx7'])
    expect(agent.kernel.items.has(`fdb ove${id.slice(0, 12)} ${endpoint?.mac}`)).toBe(true)
    expect(agent.parts.intents.open()).toEqual([])
  })

  it('of the same sandbox and interface again changes nothing', async () => {
    const first = await agent.attach('c1', { name: 'db' })
    const [keys, operations] = [await cluster.dump(), agent.kernel.operations.length]
    for (const request of [{}, { name: 'db' }, { ifname: 'eth0' }, { addresses: first.endpoint?.addresses }])
      expect(await agent.attach('c1', request)).toEqual({ ...first, alreadyAttached: true })
    expect(await cluster.dump()).toEqual(keys)
    expect(agent.kernel.operations).toHaveLength(operations)
  })

  it('takes an address as it was written', async () => {
    await cluster.addNetwork('dual', { subnets: ['10.0.8.0/24', 'fd00:8::/64'] })
    const request = { network: 'dual', addresses: ['FD00:8:0::7'] }
    const first = await agent.attach('c1', request)
    expect(first.endpoint?.addresses).toEqual([expect.stringMatching(/^10\.0\.8\./), 'fd00:8::7'])
    expect(await agent.attach('c1', request)).toEqual({ ...first, alreadyAttached: true })
  })

  it('brings the interface back where somebody took it away', async () => {
    const { endpoint } = await agent.attach('c1')
    for (const id of [...agent.kernel.items.keys()].filter((one) => one.includes('ove'))) agent.kernel.items.delete(id)
    await agent.parts.reconciler.audit()
    expect((await agent.attach('c1')).endpoint).toEqual(endpoint)
    expect(agent.links()).toHaveLength(3)
  })

  it('several at once are all done, of one sandbox only one', async () => {
    const answers = await Promise.all([
      ...Array.from({ length: 10 }, (_, n) => agent.attach(`c${n}`)),
      agent.attach('c1'),
      agent.attach('c1'),
    ])
    expect(new Set(answers.map(({ endpoint }) => endpoint?.id)).size).toBe(10)
    expect(new Set(answers.flatMap(({ endpoint }) => endpoint?.addresses)).size).toBe(10)
    expect(answers.filter(({ alreadyAttached }) => alreadyAttached)).toHaveLength(2)
    expect(agent.links()).toHaveLength(12)
  })

  it('a sandbox has as many interfaces as it wants', async () => {
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    await agent.attach('c1')
    await agent.attach('c1', { ifname: 'eth1' })
    await agent.attach('c1', { network: 'db', ifname: 'eth2' })
    expect(agent.links()).toHaveLength(7)
  })

  it('knows a network that was made just now', async () => {
    for (let n = 0; n < 5; n++) {
      await cluster.addNetwork(`net-${n}`, { subnets: [`10.9.${n}.0/24`] })
      await agent.attach('c1', { network: `net-${n}`, ifname: `eth${n}` })
    }
  })

  it('a network that was removed and made again is taken as it is now', async () => {
    const first = await agent.attach('c1')
    await agent.detach({ endpointId: first.endpoint?.id ?? '' })
    const network = agent.parts.view.network('web')
    if (!network) throw new Error('web is not known')
    await cluster.removeNetwork(network)
    const anew = await cluster.addNetwork('web', { subnets: ['10.1.9.0/24'] })
    const { endpoint } = await agent.attach('c1')
    expect(endpoint).toMatchObject({ networkUid: anew.uid, addresses: [expect.stringMatching(/^10\.1\.9\./)] })
    expect(agent.links()).toContain(`link ovbr${anew.vni}`)
  })
})

describe('a network that is another one than the view shows', () => {
  it.each([
    [{ mtu: 1451 }, 'failed_precondition', 'network web has an MTU of 1451'],
    [{ subnets: ['10.1.9.0/24'] }, 'invalid', 'address 10.0.9.7 is not in web'],
  ])('is checked anew: %j', async (wish, code, message) => {
    const { view } = agent.parts
    await agent.until(() => view.network('web') !== undefined)
    const old = view.network('web')
    if (!old) throw new Error('web is not known')
    await cluster.removeNetwork(old)
    await cluster.addNetwork('web', wish)
    await agent.until(() => view.network('web')?.uid !== old.uid)
    before = await cluster.paths()
    vi.spyOn(view, 'network').mockReturnValueOnce(old)
    const failed = agent.attach('c1', { addresses: ['10.0.9.7'] })
    await expect(failed).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    await nothingIsLeft()
  })
})

describe('refusals leave nothing', () => {
  it.each([
    [{ network: 'none' }, 'not_found', 'there is no network "none"'],
    [{ addresses: ['10.0.8.7'] }, 'invalid', 'address 10.0.8.7 is not in web'],
    [{ addresses: ['10.0.9.1'] }, 'already_exists', 'address 10.0.9.1 is taken in web by the gateway'],
    [{ netns: '/run/netns/none' }, 'not_found', 'there is no network namespace /run/netns/none'],
    [{ node: 'host-2' }, 'invalid', 'this is the agent of host-1, not of host-2'],
  ])('%j', async (request, code, message) => {
    await expect(agent.attach('c1', request)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    await nothingIsLeft()
  })

  it('all faults of a request at once', async () => {
    const request = { network: 'Web', ifname: 'a/b', name: '_', netns: 'c1', addresses: ['web'] }
    const failed = agent.attach('c1', request)
    await expect(failed).rejects.toMatchObject({ code: 'invalid' })
    const { message } = (await failed.catch((error: unknown) => error)) as Error
    for (const field of ['network', 'ifname', 'name', 'sandbox', 'addresses']) expect(message).toContain(`${field}: `)
  })

  it('a network whose MTU the underlay does not carry', async () => {
    await cluster.addNetwork('jumbo', { mtu: 1451, subnets: ['10.0.7.0/24'] })
    await expect(agent.attach('c1', { network: 'jumbo' })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('MTU of 1451, but the underlay of node host-1 (MTU 1500) carries at most 1450'),
    })
    expect(agent.links()).toEqual([])
  })

  it('an interface that is there for something else', async () => {
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const { endpoint } = await agent.attach('c1', { name: 'one' })
    const keys = await cluster.dump()
    for (const [request, text] of [
      [{ network: 'db' }, 'attached to network web'],
      [{ name: 'two' }, 'attached under the name "one"'],
      [{ addresses: ['10.0.9.250'] }, `attached with ${endpoint?.addresses[0]}`],
    ] as const)
      await expect(agent.attach('c1', request)).rejects.toMatchObject({
        code: 'already_exists',
        message: `/run/netns/c1 has eth0 already, ${text} (endpoint ${endpoint?.id}): detach that, or choose another --ifname`,
      })
    expect(await cluster.dump()).toEqual(keys)
    expect([...agent.parts.sync.followed()]).toEqual(['web'])
  })

  it('a name, an address that is taken, and none that is left', async () => {
    await cluster.addNetwork('tiny', { subnets: ['10.0.6.0/29'] })
    await agent.attach('c1', { network: 'tiny', name: 'db', addresses: ['10.0.6.2'] })
    const keys = await cluster.dump()
    const other = (request: object) => agent.attach('c2', { network: 'tiny', ...request })
    await expect(other({ name: 'db' })).rejects.toThrow('name "db" is taken in tiny by endpoint')
    await expect(other({ addresses: ['10.0.6.2'] })).rejects.toThrow('address 10.0.6.2 is taken in tiny by endpoint')
    expect(await cluster.dump()).toEqual(keys)
    await Promise.all([3, 4, 5, 6].map((n) => agent.attach(`d${n}`, { network: 'tiny' })))
    const full = await cluster.dump()
    await expect(other({})).rejects.toMatchObject({ code: 'exhausted' })
    expect(await cluster.dump()).toEqual(full)
    expect(agent.parts.intents.open()).toEqual([])
  })

  it('what the kernel refuses', async () => {
    const busy = new OverlayError('conflict', 'the interface eth0 is there already')
    agent.kernel.failure = ({ do: what, item }) => (what === 'put' && item.kind === 'veth' ? busy : undefined)
    await expect(agent.attach('c1')).rejects.toBe(busy)
    await nothingIsLeft()
  })

  it('what the kernel neither makes nor takes down at first', async () => {
    const busy = new OverlayError('conflict', 'device is busy')
    agent.kernel.failure = ({ item }) => (itemId(item).includes('ove') ? busy : undefined)
    const failing = agent.attach('c1')
    // The veth was made in half.
    agent.kernel.failure = ({ do: what, item }) =>
      item.kind === 'port-entry' || (what === 'delete' && item.kind === 'veth') ? busy : undefined
    await expect(failing).rejects.toBe(busy)
    expect(agent.parts.intents.open()).toMatchObject([{ kind: 'release' }])
    agent.kernel.failure = () => undefined
    await nothingIsLeft()
  })

  it('a caller who has gone, before or meanwhile', async () => {
    const gone = new AbortController()
    gone.abort()
    await expect(agent.attach('c1', {}, gone.signal)).rejects.toMatchObject({ code: 'deadline' })
    await nothingIsLeft()
    const leaving = new AbortController()
    agent.kernel.failure = ({ item }) => {
      if (item.kind === 'port-entry') leaving.abort()
      return undefined
    }
    await expect(agent.attach('c1', {}, leaving.signal)).rejects.toMatchObject({ code: 'deadline' })
    await nothingIsLeft()
  })

  it('a caller who goes while the store is at the claim', async () => {
    agent.kernel.failure = () => undefined
    await agent.attach('c0')
    const leaving = new AbortController()
    const prepare = agent.kernel.prepare.bind(agent.kernel)
    agent.kernel.prepare = (veth) => {
      prepare(veth)
      leaving.abort()
    }
    await expect(agent.attach('c1', {}, leaving.signal)).rejects.toMatchObject({ code: 'deadline' })
    expect(leaving.signal.aborted).toBe(true)
    expect([...agent.kernel.prepared]).toEqual([])
  })
})
