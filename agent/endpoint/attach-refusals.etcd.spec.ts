import { describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { gatewayMac } from '../plan.ts'
import { itemId } from '../state/item.ts'
import type { TestAgent } from '../testing/agent.ts'
import type { TestCluster } from '../testing/cluster.ts'
import { expectNothingLeft, withOneAgent } from '../testing/one-agent.ts'
import { networkOf } from '../testing/views.ts'

let cluster: TestCluster
let agent: TestAgent
let before: readonly string[]

withOneAgent((one) => {
  ;({ cluster, agent, before } = one)
})

const nothingIsLeft = () => expectNothingLeft({ cluster, agent, before })

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
    const wrong = { mac: '01:00:5e:00:00:01', gwPriority: 501 }
    const request = { network: 'Web', ifname: 'a/b', name: '_', netns: 'c1', addresses: ['web'], ...wrong }
    const failed = agent.attach('c1', request)
    await expect(failed).rejects.toMatchObject({ code: 'invalid' })
    const { message } = (await failed.catch((error: unknown) => error)) as Error
    for (const field of ['network', 'ifname', 'name', 'sandbox', 'addresses', 'mac', 'gwPriority'])
      expect(message).toContain(`${field}: `)
  })

  it('all faults of a request, and those that the network shows of it, at once', async () => {
    await cluster.addNetwork('dual', { subnets: ['10.0.8.0/24', 'fd00:8::/64'] })
    await agent.until(() => agent.parts.view.network('dual') !== undefined)
    const mac = gatewayMac(agent.parts.view.network('dual') ?? networkOf('dual'))
    const addresses = ['10.0.8.255', 'fd99::1']
    const both = [
      'address 10.0.8.255 is not for hosts: it is the broadcast address of 10.0.8.0/24',
      'address fd99::1 is not in dual: its addresses are in 10.0.8.0/24 and fd00:8::/64',
      `MAC ${mac} is taken in dual by the gateway: ask for another`,
    ].join('; ')
    await expect(agent.attach('c1', { network: 'dual', addresses, mac })).rejects.toMatchObject({
      code: 'invalid',
      message: both,
    })
    await expect(agent.attach('c1', { network: 'dual', name: 'A_', addresses, mac })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(
        /^name: "A_" is not a name: .*; address 10\.0\.8\.255 .*; address fd99::1 .* the gateway/,
      ),
    })
  })

  it('a network whose MTU the underlay does not carry', async () => {
    await cluster.addNetwork('jumbo', { mtu: 1451, subnets: ['10.0.7.0/24'] })
    await expect(agent.attach('c1', { network: 'jumbo' })).rejects.toMatchObject({
      code: 'failed_precondition',
      message:
        'network jumbo has an MTU of 1451, but the underlay of node host-1 (MTU 1500) carries at most 1450: raise the underlay\'s MTU, or run "overlayctl update jumbo --mtu 1450"',
    })
    expect(agent.links()).toEqual([])
  })

  it('an interface that is there for something else', async () => {
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const { endpoint } = await agent.attach('c1', { name: 'one' })
    const nameless = (await agent.attach('c3')).endpoint
    await expect(agent.attach('c3', { name: 'two' })).rejects.toThrow(
      `/run/netns/c3 has eth0 already, attached without a name (endpoint ${nameless?.id}): detach that`,
    )
    await agent.detach({ endpointId: nameless?.id ?? '' })
    const keys = await cluster.dump()
    for (const [request, text] of [
      [{ network: 'db', ifname: 'eth0' }, 'attached to network web'],
      [{ mac: '02:00:00:00:00:01' }, `attached with MAC ${endpoint?.mac}`],
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

  it('a MAC that is taken, by an endpoint or by the gateway', async () => {
    const network = await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const { endpoint } = await agent.attach('c1', { network: 'db' })
    const keys = await cluster.dump()
    for (const [mac, text] of [
      [endpoint?.mac ?? '', `by endpoint ${endpoint?.id}`],
      [gatewayMac(network), 'by the gateway'],
    ])
      await expect(agent.attach('c2', { network: 'db', mac })).rejects.toMatchObject({
        code: 'already_exists',
        message: `MAC ${mac} is taken in db ${text}: ask for another`,
      })
    expect(await cluster.dump()).toEqual(keys)
    // In another network it is nobody's.
    expect((await agent.attach('c2', { mac: endpoint?.mac ?? '' })).endpoint?.mac).toBe(endpoint?.mac)
  })

  it('a uid that begins several, or none', async () => {
    const uids = ['ab12cd', 'ab12ef']
    for (const [n, uid] of uids.entries()) {
      await cluster.addNetwork(`net-${n}`, { subnets: [`10.1.${n}.0/24`] })
      await cluster.changeNetwork(`net-${n}`, (record) => ({ ...record, uid }))
    }
    await expect(agent.attach('c1', { network: 'ab12' })).rejects.toMatchObject({
      code: 'invalid',
      message:
        "ab12 is the beginning of several networks' ids: ab12cd (net-0), ab12ef (net-1); give more of it, or the name",
    })
    await expect(agent.attach('c1', { network: 'ab13' })).rejects.toMatchObject({ code: 'not_found' })
    expect((await agent.attach('c1', { network: 'ab12e' })).endpoint?.network).toBe('net-1')
  })

  it('an interface that another attach is at work on', async () => {
    await cluster.addNetwork('db', { subnets: ['10.0.8.0/24'] })
    const results = await Promise.allSettled(
      ['web', 'db'].map((network) => agent.attach('c1', { network, ifname: 'eth0' })),
    )
    const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
    expect(refusals.map(({ message }) => message)).toEqual([expect.stringMatching(/eth0/)])
    expect(agent.links()).toHaveLength(3)
    expect(agent.parts.intents.open()).toEqual([])
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

  it('a claim whose end the watch told before the store’s answer came', async () => {
    const { store } = agent
    const { view } = agent.parts
    vi.spyOn(agent.parts.claimStore, 'commit').mockImplementation(async (transaction) => {
      const outcome = await store.commit(transaction)
      const removals = transaction.writes.flatMap((write) =>
        write.do === 'put' && !write.path.startsWith(store.keys.history('web').prefix)
          ? [{ do: 'delete', path: write.path } as const]
          : [],
      )
      const gone = await cluster.store.commit({ compares: [], writes: removals })
      await agent.until(() => view.hasSeen('web', gone.revision))
      return outcome
    })
    await expect(agent.attach('c1')).rejects.toMatchObject({ code: 'failed_precondition' })
    expect([...agent.kernel.prepared]).toEqual([])
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
