import { describe, expect, it } from 'vitest'
import type { TestAgent } from '../testing/agent.ts'
import type { TestCluster } from '../testing/cluster.ts'
import { withOneAgent } from '../testing/one-agent.ts'

let cluster: TestCluster
let agent: TestAgent

withOneAgent((one) => {
  ;({ cluster, agent } = one)
})

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

  it('of networks that are attached at once each gets a name of its own', async () => {
    const networks = ['db', 'log', 'mail']
    for (const [n, name] of networks.entries()) await cluster.addNetwork(name, { subnets: [`10.0.${n}.0/24`] })
    const answers = await Promise.all(['web', ...networks].map((network) => agent.attach('c1', { network })))
    const names = answers.map(({ endpoint }) => endpoint?.ifname)
    expect(new Set(names)).toEqual(new Set(['eth0', 'eth1', 'eth2', 'eth3']))
    // And keeps it.
    for (const { endpoint } of answers) {
      const again = await agent.attach('c1', { network: endpoint?.network ?? '' })
      expect(again).toEqual({ endpoint, alreadyAttached: true })
    }
  })

  it('a name that something else has in the sandbox is passed over; one that was given up is taken again', async () => {
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    agent.kernel.foreignInterfaces.set('/run/netns/c1', ['eth0', 'eth2'])
    const first = await agent.attach('c1')
    const second = await agent.attach('c1', { network: 'db' })
    expect([first, second].map(({ endpoint }) => endpoint?.ifname)).toEqual(['eth1', 'eth3'])
    await agent.detach({ endpointId: first.endpoint?.id ?? '' })
    expect((await agent.attach('c1')).endpoint?.ifname).toBe('eth1')
  })

  it('without a name finds the endpoint of that network, whatever its interface is called', async () => {
    const first = await agent.attach('c1', { ifname: 'lan' })
    expect(await agent.attach('c1')).toEqual({ ...first, alreadyAttached: true })
    const second = await agent.attach('c1', { ifname: 'dmz', name: 'two' })
    expect(await agent.attach('c1', { name: 'two' })).toEqual({ ...second, alreadyAttached: true })
  })

  it('with a MAC and a priority, which are kept', async () => {
    const wish = { mac: '02:42:0A:00:09:07', gwPriority: -500 }
    const { endpoint } = await agent.attach('c1', wish)
    expect(endpoint).toMatchObject({ mac: '02:42:0a:00:09:07', gwPriority: -500 })
    expect(await agent.attach('c1', wish)).toEqual({ endpoint, alreadyAttached: true })
    const { keys } = cluster.store
    expect((await cluster.store.get(keys.endpoint('web', endpoint?.id ?? '')))?.value).toEqual(endpoint)
  })

  it('by the beginning of a network’s uid', async () => {
    const made = await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const { endpoint } = await agent.attach('c1', { network: made.uid.slice(0, 8) })
    expect(endpoint).toMatchObject({ network: 'db', networkUid: made.uid })
    await agent.detach({ network: made.uid.slice(0, 8), netns: '/run/netns/c1' })
    await agent.until(() => agent.kernel.items.size === 0)
    // A name that looks like one wins.
    const named = await cluster.addNetwork(made.uid.slice(0, 8), { subnets: ['10.0.7.0/24'] })
    expect((await agent.attach('c1', { network: named.name })).endpoint?.networkUid).toBe(named.uid)
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
