import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AgentLinkService, EndpointsService, NetworksService } from '../proto/index.ts'
import { remove } from '../store/store.ts'
import { claim, registerNode, startSession, type TestStores, testStores, until } from './cluster-for-tests.ts'
import { agent, serve } from './served-for-tests.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

const created = { name: 'web', subnets: [{ cidr: '10.0.9.0/24' }], mtu: 1450 }
const attach = { network: 'web', node: 'n1', netns: '/run/netns/c1' }

describe('attach and detach on another host', () => {
  it('goes through the agent of the node', async () => {
    await using served = await serve(stores)
    const endpoints = served.client.service(EndpointsService)
    const { network } = await served.client.service(NetworksService).create(created)
    if (!network) throw new Error('no network')
    await registerNode(served.store, 'n1')
    const there = await claim(served.store, network, 'n1', '10.0.9.2')
    const { asked } = agent(served.client, 'n1', (question) => {
      if (question.detach) return { detach: { endpoint: there } }
      if (question.attach?.ifname === 'eth1') return { problem: { code: 'exhausted', message: 'no address is left' } }
      if (question.attach?.ifname === 'eth2')
        return { problem: { code: 'failed_precondition', message: 'node n1 is drained (disk)' } }
      return { attach: { endpoint: there } }
    })
    await until('the agent', () =>
      endpoints.attach(attach).then(
        ({ endpoint }) => endpoint?.id === there.id,
        () => false,
      ),
    )
    expect(asked.at(-1)?.attach).toMatchObject(attach)
    const node = await served.store.get(served.store.keys.node('n1'))
    const whole = { mac: '02:00:00:00:00:07', gwPriority: -500, addresses: ['10.0.9.2'] }
    const uids = { network: network.uid.slice(0, 12), node: node?.value.uid.slice(0, 12) ?? '' }
    await endpoints.attach({ ...attach, ...whole, ...uids })
    expect(asked.at(-1)?.attach).toMatchObject({ ...attach, ...whole })
    await endpoints.detach({ ...uids, netns: '/run/netns/c1' })
    expect(asked.at(-1)?.detach).toMatchObject({ network: 'web', node: 'n1', netns: '/run/netns/c1' })
    await expect(endpoints.attach({ ...attach, ifname: 'eth1' })).rejects.toMatchObject({
      code: 'exhausted',
      message: 'node n1: no address is left',
    })
    await expect(endpoints.attach({ ...attach, ifname: 'eth2' })).rejects.toThrow(/^node n1 is drained \(disk\)$/)
    expect((await endpoints.detach({ endpointId: there.id.slice(0, 6) })).endpoint?.id).toBe(there.id)
    expect(asked.at(-1)?.detach).toMatchObject({ endpointId: there.id, node: 'n1' })
    expect((await endpoints.get({ id: there.id })).addresses).toEqual(['10.0.9.2'])
    for (const filter of [{}, { network: 'web' }, { node: 'n1' }, { node: 'n1', network: 'web' }])
      expect((await endpoints.list(filter)).endpoints.map(({ id }) => id)).toEqual([there.id])
    await expect(endpoints.list({ node: 'n9' })).rejects.toThrow('there is no node n9')
  })

  it('tells why an agent cannot be asked', async () => {
    await using served = await serve(stores)
    const endpoints = served.client.service(EndpointsService)
    await expect(endpoints.attach(attach)).rejects.toThrow(/there is no network web: .*; there is no node n1/)
    await registerNode(served.store, 'n1')
    await served.client.service(NetworksService).create(created)
    await expect(endpoints.attach(attach)).rejects.toThrow('it is not alive')
    await startSession(served.store, 'n1')
    await expect(endpoints.attach(attach)).rejects.toMatchObject({ code: 'unavailable' })
    await expect(endpoints.attach(attach)).rejects.toThrow('has no connection to this controller')
    await expect(endpoints.attach({ network: 'Web', pid: 0 })).rejects.toThrow(
      /"Web" is not a name.*name the node.*pid/,
    )
    await expect(endpoints.detach({ endpointId: 'XYZ' })).rejects.toThrow('neither an endpoint id nor a name')
    const faulty = { ...attach, mac: '01:00:5e:00:00:01', gwPriority: 501, addresses: ['10.0.9.2', '10.0.9.3'] }
    await expect(endpoints.attach(faulty)).rejects.toThrow(
      /addresses: .*; mac: "01:00:5e:00:00:01" is a multicast MAC .*; gwPriority: 501 is out of range: from -500 to 500/,
    )
    await expect(endpoints.attach({ ...attach, gwPriority: -501 })).rejects.toThrow('gwPriority: -501')
    await expect(endpoints.detach({ network: 'web', node: 'n1' })).rejects.toThrow('exactly one of netns')
  })

  it('names the candidates of an ambiguous id', async () => {
    await using served = await serve(stores)
    const { network } = await served.client.service(NetworksService).create(created)
    if (!network) throw new Error('no network')
    const ids = new Set<string>()
    for (let n = 2; n < 40; n++) ids.add((await claim(served.store, network, 'n1', `10.0.9.${n}`)).id)
    const digit =
      '0123456789abcdef'.split('').find((one) => [...ids].filter((id) => id.startsWith(one)).length > 1) ?? ''
    await expect(served.client.service(EndpointsService).get({ id: digit })).rejects.toMatchObject({ code: 'invalid' })
    await expect(served.client.service(EndpointsService).get({ id: digit })).rejects.toThrow('may be several endpoints')
  })

  it('fails when the stream breaks, when the agent is slow, when a newer stream comes', async () => {
    await using served = await serve(stores)
    const endpoints = served.client.service(EndpointsService)
    await served.client.service(NetworksService).create(created)
    await registerNode(served.store, 'n1')
    const first = agent(served.client, 'n1', () => undefined)
    const connected = () => endpoints.attach(attach, { timeout: 100 }).catch((error: { code: string }) => error.code)
    await until('the agent', async () => (await connected()) === 'deadline')
    await expect(endpoints.attach(attach, { timeout: 1_500 })).rejects.toThrow('node n1 has not answered in time')
    const questions = () => first.asked.filter((one) => one.attach).map(({ id }) => id)
    const givenUp = () => first.asked.filter((one) => one.givenUp).map(({ id }) => id)
    await until('word that nobody waits', () => givenUp().length === 2)
    expect(givenUp()).toEqual(questions())
    const waiting = endpoints.attach(attach).catch((error: unknown) => error)
    await until('the question', () => questions().length > 2)
    const second = agent(served.client, 'n1', () => undefined)
    expect(await waiting).toMatchObject({ code: 'unavailable', message: expect.stringContaining('was lost') })
    expect(await first.ended).toMatchObject({ message: 'node n1 has opened a newer stream' })
    second.end()
    expect(await second.ended).toBeUndefined()
    await until('the end of the stream', async () => (await connected()) === 'unavailable')
  })

  it('refuses a stream that does not begin with a hello', async () => {
    await using served = await serve(stores)
    const stream = served.client.service(AgentLinkService).connect()
    stream.send({ answer: { id: 1 } })
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow('the first message of an agent is its hello')
    const wrong = agent(served.client, 'N1', () => undefined)
    expect(await wrong.ended).toMatchObject({ code: 'invalid' })
  })
})

describe('waitApplied', () => {
  it('waits for every live agent, also one that connects late, and not for the dead', async () => {
    await using served = await serve(stores)
    const networks = served.client.service(NetworksService)
    const { revision, network } = await networks.create(created)
    expect((await networks.waitApplied({ network: network?.uid ?? '', revision })).nodes).toEqual([])
    for (const node of ['n1', 'n2', 'n3']) await startSession(served.store, node)
    const question = { network: 'web', revision }
    const first = agent(served.client, 'n1', (one) => one.applied && { applied: { revision: one.applied.revision } })
    await expect(networks.waitApplied(question, { timeout: 1_500 })).rejects.toMatchObject({
      code: 'deadline',
      message: expect.stringContaining('network web is stored, but not applied in time on n2, n3:'),
    })
    expect(first.asked.at(-1)?.applied).toEqual(question)
    const waiting = networks.waitApplied(question)
    agent(served.client, 'n2', () => ({ applied: { revision } }))
    await served.store.commit({ compares: [], writes: [remove(served.store.keys.session('n3'))] })
    expect((await waiting).nodes).toEqual(['n1', 'n2'])
  })

  it('asks many at once', async () => {
    await using served = await serve(stores)
    const warnings: Error[] = []
    const warned = (warning: Error) => warnings.push(warning)
    process.on('warning', warned)
    const nodes = Array.from({ length: 30 }, (_, n) => `n${n}`)
    const networks = served.client.service(NetworksService)
    const { revision } = await networks.create(created)
    for (const node of nodes) {
      await startSession(served.store, node)
      agent(served.client, node, () => ({ applied: { revision } }))
    }
    expect((await networks.waitApplied({ network: 'web', revision })).nodes).toEqual(nodes.toSorted())
    process.off('warning', warned)
    expect(warnings).toEqual([])
  })

  it('passes on what an agent says that cannot apply it', async () => {
    await using served = await serve(stores)
    const networks = served.client.service(NetworksService)
    const { revision } = await networks.create(created)
    await startSession(served.store, 'n1')
    agent(served.client, 'n1', () => ({
      problem: { code: 'failed_precondition', message: 'the underlay is too small' },
    }))
    await until('the session', async () =>
      networks.waitApplied({ network: 'web', revision }, { timeout: 1_000 }).then(
        () => false,
        (error: Error) => error.message === 'node n1: the underlay is too small',
      ),
    )
    await expect(networks.waitApplied({ network: 'x', revision })).rejects.toThrow('there is no network x')
    await expect(networks.waitApplied({ network: 'web' })).rejects.toThrow('revision')
    await expect(networks.waitApplied({ network: 'web', revision: 1e12 })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/^revision 1000000000000: the store is only at \d+$/),
    })
  })
})
