import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { Controller, Drain, Endpoint, type MessageType, Network, Node, Session } from '../proto/index.ts'
import { decodeEntry, lenientDecoder } from './records.ts'

const kv = (value: string, modRevision = 5) => ({
  key: Buffer.from('/t/networks/web'),
  value: Buffer.from(value),
  create_revision: '4',
  mod_revision: String(modRevision),
})

describe('decodeEntry', () => {
  it('gives the record, its JSON and its revisions', () => {
    const entry = decodeEntry(Network, kv('{"name":"web","vni":7,"later":[1]}'))
    expect(entry).toMatchObject({ path: '/t/networks/web', createRevision: 4, modRevision: 5 })
    expect(entry.value).toMatchObject({ name: 'web', vni: 7, mtu: 0, subnets: [] })
    expect(entry.json).toEqual({ name: 'web', vni: 7, later: [1] })
  })

  it.each(['', 'no json', '[1]', 'null', '7', '{"subnets":5}'])('refuses %j, naming the key', (value) => {
    expect(() => decodeEntry(Network, kv(value))).toThrow(/\/t\/networks\/web is not a valid overlay\.v1\.Network/)
  })

  it('asks nothing of a key without a record', () => {
    expect(decodeEntry(null, kv('whatever')).value).toBeNull()
  })
})

describe('a record that cannot be what it says', () => {
  const id = '1'.repeat(32)
  const network = { name: 'web', vni: 7, subnets: [{ cidr: '10.0.9.0/24', gateway: '10.0.9.1' }] }
  const [subnet] = network.subnets
  const endpoint = { id, network: 'web', mac: '02:00:00:00:00:01', addresses: ['10.0.9.7'] }
  const read = <T>(type: MessageType<T>, path: string, record: object) =>
    decodeEntry(type, { ...kv(JSON.stringify(record)), key: Buffer.from(`/t/${path}`) })

  it.each<[string, MessageType<unknown>, string, object]>([
    ['a network', Network, 'networks/web', network],
    ['a network that is not made yet', Network, 'networks/web', { name: 'web' }],
    ['an endpoint', Endpoint, `endpoints/web/${id}`, endpoint],
    ['an endpoint that says nothing', Endpoint, `endpoints/web/${id}`, {}],
    ['a node', Node, 'nodes/n1', { name: 'n1', vtepAddress: 'fd00::1' }],
    ['a session', Session, 'sessions/n1', { node: 'n1' }],
    ['a drain', Drain, 'drains/n1', { node: 'n1', reason: 'disk' }],
    ['a controller', Controller, 'controllers/10.0.0.1:7', { id: '10.0.0.1:7' }],
    ['a controller that leads', Controller, 'leaders/janitor', { id: '10.0.0.1:7' }],
  ])('can be %s', (_, type, path, record) => {
    expect(read(type, path, record).json).toEqual(record)
  })

  it.each<[string, MessageType<unknown>, string, object]>([
    ['a network of another name', Network, 'networks/db', network],
    ['a network of that name deeper down', Network, 'networks/x/web', network],
    ['a network without a name', Network, 'networks/web', {}],
    ['a VNI that is none', Network, 'networks/web', { ...network, vni: 2 ** 24 }],
    ['a subnet that is none', Network, 'networks/web', { ...network, subnets: [{ cidr: 'ten' }] }],
    ['a gateway that is none', Network, 'networks/web', { ...network, subnets: [{ ...subnet, gateway: 'x' }] }],
    ['a range that is none', Network, 'networks/web', { ...network, subnets: [{ ...subnet, ipRange: '10.0.9.0' }] }],
    [
      'an auxiliary address',
      Network,
      'networks/web',
      { ...network, subnets: [{ ...subnet, auxAddresses: { a: 'b' } }] },
    ],
    ['an endpoint of another network', Endpoint, `endpoints/db/${id}`, endpoint],
    ['an endpoint of another id', Endpoint, 'endpoints/web/2', endpoint],
    ['a MAC that is none', Endpoint, `endpoints/web/${id}`, { ...endpoint, mac: 'x' }],
    ['an address that is none', Endpoint, `endpoints/web/${id}`, { ...endpoint, addresses: ['10.0.9.7/24'] }],
    ['a node of another name', Node, 'nodes/n2', { name: 'n1' }],
    ['a session of another node', Session, 'sessions/n2', { node: 'n1' }],
    ['a session of that node deeper down', Session, 'sessions/x/n1', { node: 'n1' }],
    ['a session of no node', Session, 'sessions/n1', {}],
    ['a drain of another node', Drain, 'drains/n2', { node: 'n1' }],
    ['a drain of no node', Drain, 'drains/n1', {}],
    ['a controller of another id', Controller, 'controllers/10.0.0.2:7', { id: '10.0.0.1:7' }],
    ['a VTEP that is none', Node, 'nodes/n1', { name: 'n1', vtepAddress: 'host' }],
  ])('is refused: %s', (_, type, path, record) => {
    expect(() => read(type, path, record)).toThrow(`the record at /t/${path} is not a valid ${type.name}: `)
  })
})

describe('lenientDecoder', () => {
  it('passes over what is malformed and warns once per revision', () => {
    const lines: { key: string; revision: number }[] = []
    const log = pino({}, { write: (line) => void lines.push(JSON.parse(line)) })
    const decode = lenientDecoder(log)
    expect(decode(Network, kv('bad'))).toBeUndefined()
    expect(decode(Network, kv('bad'))).toBeUndefined()
    expect(decode(Network, kv('bad', 6))).toBeUndefined()
    expect(decode(Network, kv('{"name":"web"}', 7))?.value.name).toBe('web')
    expect(lines.map(({ key, revision }) => [key, revision])).toEqual([
      ['/t/networks/web', 5],
      ['/t/networks/web', 6],
    ])
  })
})
