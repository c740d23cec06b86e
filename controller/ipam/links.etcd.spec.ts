import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import { Answer, CheckIpamRequest, type Endpoint, ReleaseAddressRequest } from '../../proto/index.ts'
import { put, remove } from '../../store/store.ts'
import { type TestStores, testStores, until } from '../cluster-for-tests.ts'
import { checkIpam, type IpamParts } from './check.ts'
import { db, openIpam, type TestIpam } from './ipam-for-tests.ts'
import { releaseAddress } from './release.ts'
import { repairIpam } from './repair.ts'

let stores: TestStores
let ipam: TestIpam
let one: Endpoint
let two: Endpoint

beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())
beforeEach(async () => {
  ipam = await openIpam(stores)
  one = await ipam.attach({ node: 'n1', addresses: ['10.0.0.7', 'fd00:9::7'], id: '1'.repeat(32) })
  two = await ipam.attach({ node: 'n2', addresses: ['10.0.0.8', 'fd00:9::8'], id: '2'.repeat(32) })
  ipam.links.set('n1', [veth(one, ...one.addresses), bridge('10.0.0.1', 'fd00:9::1')])
  ipam.links.set('n2', [veth(two, ...two.addresses), bridge('10.0.0.1', 'fd00:9::1')])
})

const bridge = (...addresses: readonly string[]) => ({ network: 'web', endpointId: '', device: 'ovbr5000', addresses })
const veth = ({ network, id }: Pick<Endpoint, 'network' | 'id'>, ...addresses: readonly string[]) => ({
  network,
  endpointId: id,
  device: `ovve${id.slice(0, 4)}`,
  addresses,
})

const nobody = 'f'.repeat(32)

describe('links', () => {
  it('that have what the store says are no finding, and each node is asked once', async () => {
    expect(await ipam.check()).toMatchObject({
      findings: [],
      nodesChecked: ['n1', 'n2'],
      nodesMissed: ['n3: not alive'],
    })
    expect(ipam.asked.toSorted()).toEqual(['n1 ', 'n2 '])
  })

  it.each([
    [
      'an address in a sandbox that is nobody’s',
      () => veth(one, ...one.addresses, '10.0.0.99'),
      '10.0.0.99 1111',
      /the sandbox of endpoint 1{32} \(ovve1111\) has address 10.0.0.99, which is nobody's; remove the address in that sandbox/,
    ],
    [
      'an address in a sandbox that is another’s',
      () => veth(one, ...one.addresses, 'fd00:9::8'),
      'fd00:9::8 1111',
      /which is endpoint 2{32}'s on node n2; .*overlayctl detach --node n1 1{32}/,
    ],
    [
      'the gateway’s address in a sandbox',
      () => veth(one, '10.0.0.1'),
      '10.0.0.1 1111',
      /which is the gateway of network web/,
    ],
    [
      'a link of an endpoint that is not there',
      () => veth({ network: 'web', id: nobody }, '10.0.0.50'),
      '10.0.0.50 ffff',
      /the link ovveffff of endpoint f{32}, which is not there, .*ip link del ovveffff/,
    ],
    [
      'an address on a bridge that is no gateway',
      () => bridge('10.0.0.1', '10.0.0.3'),
      '10.0.0.3',
      /the bridge ovbr5000 has address 10.0.0.3, which is nobody's; on node n1: ip addr del/,
    ],
    [
      'a bridge of a network that is not there',
      () => ({ ...bridge('10.9.0.1'), network: 'old' }),
      '10.9.0.1',
      /the bridge ovbr5000 has address 10.9.0.1/,
    ],
  ] as const)('%s', async (_, link, subject, problem) => {
    const stray = link()
    const rest = ipam.links.get('n1')?.filter(({ device }) => device !== stray.device) ?? []
    ipam.links.set('n1', [...rest, stray])
    const { findings } = await ipam.check()
    expect(
      findings.map(({ kind, subject: text, endpointId, node }) =>
        [kind, text, endpointId.slice(0, 4), node].filter(Boolean).join(' '),
      ),
    ).toEqual([`UNOWNED_ON_LINK ${subject} n1`])
    expect(findings[0]?.repair).toBe('')
    expect(findings[0]?.problem).toMatch(problem)
    const before = await ipam.keys()
    expect((await ipam.repair(findings)).outcomes[0]?.state).toBe('LEFT')
    expect(await ipam.keys()).toEqual(before)
    ipam.links.set('n1', rest)
    expect((await ipam.repair(findings)).outcomes).toEqual([{ state: 'GONE', problem: '' }])
  })

  it('what is gone at the second look is no finding', async () => {
    const before = ipam.links.get('n1') ?? []
    ipam.links.set('n1', [...before, veth({ network: 'web', id: nobody }, '10.0.0.50')])
    const fleeting: IpamParts['links'] = {
      ...ipam.parts.links,
      ask: async (node, question, signal) => {
        const answer = await ipam.parts.links.ask(node, question, signal)
        ipam.links.set('n1', before)
        return answer
      },
    }
    const { signal } = new AbortController()
    const { findings } = await checkIpam({ ...ipam.parts, links: fleeting }, CheckIpamRequest.create(), signal)
    expect(findings).toEqual([])
  })

  it('of a node without endpoints, and of an endpoint that is elsewhere, are found', async () => {
    await ipam.detach(two)
    ipam.links.set('n2', [veth({ network: 'web', id: nobody }, '10.0.0.50'), veth(one, '10.0.0.7')])
    const { findings } = await ipam.check()
    expect(findings.map(({ subject, node, problem }) => [subject, node, problem])).toEqual([
      ['10.0.0.50', 'n2', expect.stringContaining('of endpoint ffff')],
      ['10.0.0.7', 'n2', expect.stringMatching(/of endpoint 1{32}, which is on node n1, .*ip link del ovve1111/)],
    ])
  })

  it('of one network only its links are looked at', async () => {
    const other = await ipam.attach({ node: 'n1', addresses: ['10.1.0.7'], network: db })
    ipam.links.get('n1')?.push(veth(other, '10.1.0.7', '10.1.0.9'))
    expect(await ipam.check('web')).toMatchObject({ findings: [], nodesChecked: ['n1', 'n2'] })
    expect(await ipam.check('db')).toMatchObject({ findings: [{ subject: '10.1.0.9' }], nodesChecked: ['n1', 'n2'] })
  })

  it('tells of nodes that could not be looked at, and why', async () => {
    await ipam.attach({ node: 'n3', addresses: ['10.0.0.9'] })
    await ipam.write(
      put(ipam.store.keys.node('n4'), { name: 'n4' }),
      put(ipam.store.keys.session('n4'), { node: 'n4' }),
    )
    await ipam.attach({ node: 'n4', addresses: ['10.0.0.10'] })
    const parts: IpamParts = {
      ...ipam.parts,
      links: {
        isConnected: (node) => node !== 'n4',
        ask: async (node, question, signal) => {
          if (node === 'n1') throw new OverlayError('invalid', 'node n1: this agent does not know that question')
          return node === 'n2' ? Answer.create() : ipam.parts.links.ask(node, question, signal)
        },
      },
    }
    const { signal } = new AbortController()
    const { findings, nodesChecked, nodesMissed } = await checkIpam(parts, CheckIpamRequest.create(), signal)
    expect([findings, nodesChecked]).toEqual([[], []])
    expect(nodesMissed).toEqual([
      'n1: this agent does not know that question',
      'n2: its agent answered another question than it was asked',
      'n3: not alive',
      'n4: its agent has no connection to this controller (yet)',
    ])
    const stray = {
      kind: 'UNOWNED_ON_LINK',
      network: 'web',
      subject: '10.0.0.9',
      endpointId: one.id,
      node: 'n1',
    } as const
    const { outcomes } = await repairIpam(parts, { findings: [{ ...stray, problem: '', repair: '' }] }, signal)
    expect(outcomes).toEqual([
      { state: 'LEFT', problem: expect.stringContaining('the links of node n1 could not be looked at') },
    ])
  })

  it('an agent that does not answer is missed when time is up, and the rest is told', async () => {
    await ipam.write(put(ipam.store.keys.address('web', parseIp('10.0.0.9')), { kind: 'ENDPOINT', endpointId: nobody }))
    const timeUp = new AbortController()
    const parts: IpamParts = {
      ...ipam.parts,
      links: {
        ...ipam.parts.links,
        ask: (node, question, signal) => {
          if (node === 'n1') return ipam.parts.links.ask(node, question, signal)
          return new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(new OverlayError('deadline', 'not in time')))
            setTimeout(() => timeUp.abort(), 500)
          })
        },
      },
    }
    const checked = await checkIpam(parts, CheckIpamRequest.create(), timeUp.signal)
    expect(checked).toMatchObject({
      findings: [{ subject: '10.0.0.9' }],
      nodesChecked: ['n1'],
      nodesMissed: ['n2: it has not answered in time', 'n3: not alive'],
    })
  })
})

describe('an endpoint that lives on without its record', () => {
  const gone = { kind: 'OWNER_WITHOUT_ENDPOINT', subject: '10.0.0.7', endpointId: '1'.repeat(32), node: 'n1' } as const
  const aboutAddress = async () => (await ipam.check()).findings.filter(({ kind }) => kind === gone.kind)
  const release = () =>
    releaseAddress(
      ipam.parts,
      ReleaseAddressRequest.create({ network: 'web', address: '10.0.0.7' }),
      new AbortController().signal,
    )

  beforeEach(async () => {
    await ipam.write(remove(ipam.store.keys.endpoint('web', one.id)))
  })

  it('keeps its addresses until its link is gone', async () => {
    const findings = (await aboutAddress()).filter(({ subject }) => subject.includes('7'))
    expect(findings).toMatchObject([
      {
        ...gone,
        repair: '',
        problem: expect.stringMatching(/but its link ovve1111 is still there; on node n1: overlayctl detach 1{32};/),
      },
      { subject: 'fd00:9::7', repair: '' },
    ])
    const { outcomes } = await ipam.repair(findings)
    expect(outcomes.map(({ state }) => state)).toEqual(['LEFT', 'LEFT'])
    await expect(release()).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/is in use: link ovve1111 of endpoint 1{32} on node n1 is still there/),
    })
    expect(await ipam.store.get(ipam.store.keys.address('web', parseIp('10.0.0.7')))).toBeDefined()
    // As one that cannot be looked into.
    ipam.links.set('n1', [veth(one)])
    expect((await ipam.repair(findings)).outcomes.map(({ state }) => state)).toEqual(['LEFT', 'LEFT'])
    ipam.links.set('n1', [])
    expect((await ipam.repair(findings)).outcomes.map(({ state }) => state)).toEqual(['REPAIRED', 'REPAIRED'])
  })

  it('keeps all the rest as well, and is found by it when its addresses are released', async () => {
    const named = await ipam.attach({ node: 'n1', addresses: ['10.0.0.70'], name: 'named', id: '7'.repeat(32) })
    ipam.links.set('n1', [veth(one, ...one.addresses), veth(named, '10.0.0.70')])
    await ipam.write(remove(ipam.store.keys.endpoint('web', named.id)))
    const findings = (await aboutAddress()).filter(({ endpointId }) => endpointId === named.id)
    expect(findings.map(({ subject }) => subject).toSorted()).toEqual(['', named.mac, '10.0.0.70', 'named'].toSorted())
    const before = await ipam.keys()
    expect(findings.filter(({ repair }) => repair !== '')).toEqual([])
    expect(findings.every(({ problem }) => problem.includes('but its link ovve7777 is still there'))).toBe(true)
    expect((await ipam.repair(findings)).outcomes.map(({ state }) => state)).toEqual(findings.map(() => 'LEFT'))

    const away: IpamParts = { ...ipam.parts, links: { ...ipam.parts.links, isConnected: () => false } }
    const { outcomes } = await repairIpam(away, { findings }, new AbortController().signal)
    expect(outcomes.map(({ problem }) => problem)).toEqual(
      findings.map(() => expect.stringMatching(/cannot be seen on node n1 .*overlayctl node rm n1/)),
    )
    await ipam.write(remove(ipam.store.keys.address('web', parseIp('10.0.0.70'))))
    const others = findings.filter(({ subject }) => subject !== '10.0.0.70')
    expect((await ipam.repair(others)).outcomes.map(({ state }) => state)).toEqual(others.map(() => 'LEFT'))
    expect((await ipam.keys()).length).toBe(before.length - 1)
    ipam.links.set('n1', [])
    expect((await ipam.repair(others)).outcomes.map(({ state }) => state)).toEqual(others.map(() => 'REPAIRED'))
  })

  it('keeps them where its node cannot be asked, until a person releases them or the node is removed', async () => {
    const away: IpamParts = { ...ipam.parts, links: { ...ipam.parts.links, isConnected: () => false } }
    const { signal } = new AbortController()
    const request = { findings: [{ ...gone, network: 'web', problem: '', repair: '' }] }
    expect((await repairIpam(away, request, signal)).outcomes).toEqual([
      {
        state: 'LEFT',
        problem: expect.stringMatching(
          /cannot be seen on node n1 \(its agent has no connection.*overlayctl ipam release web 10\.0\.0\.7$/,
        ),
      },
    ])
    const asked = ReleaseAddressRequest.create({ network: 'web', address: '10.0.0.7' })
    expect((await releaseAddress(away, asked, signal)).was).toMatch(/which is not there/)
    await ipam.write(remove(ipam.store.keys.node('n1')))
    const six = { ...gone, network: 'web', subject: 'fd00:9::7', problem: '', repair: '' }
    expect((await repairIpam(away, { findings: [six] }, signal)).outcomes).toEqual([{ state: 'REPAIRED', problem: '' }])
  })
})

describe('under load', () => {
  it('claims and releases that go on are no finding', async () => {
    const ending = new AbortController()
    let attached = 0
    /** An interface comes before its record, and goes before it, or some time after. */
    const work = async (node: string, worker: number) => {
      for (let n = 0; !ending.signal.aborted; n++) {
        const id = `${worker}${n}`.padStart(32, '0')
        const wish = { node, addresses: [`10.0.${worker}.${10 + (n % 3)}`], name: `w${worker}`, id }
        const links = ipam.links.get(node) ?? []
        const link = veth({ network: 'web', id }, ...wish.addresses)
        links.push(link)
        const endpoint = await ipam.attach(wish)
        attached++
        const unplug = () => void links.splice(links.indexOf(link), 1)
        if (n % 2) unplug()
        await ipam.detach(endpoint)
        if (n % 2 === 0) unplug()
      }
    }
    const workers = [1, 2, 3, 4, 5, 6].map((worker) => work(worker % 2 ? 'n1' : 'n2', worker))
    for (let round = 0; round < 8; round++) {
      const before = attached
      const { findings, nodesMissed } = await ipam.check()
      expect([findings, nodesMissed]).toEqual([[], ['n3: not alive']])
      await until('work to go on', () => attached > before)
    }
    ending.abort()
    await Promise.all(workers)
    expect(attached).toBeGreaterThan(8)
    expect((await ipam.check()).findings).toEqual([])
  })
})
