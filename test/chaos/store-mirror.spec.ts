import { describe, expect, it } from 'vitest'
import { createStoreMirror, type StoreEvent } from './store-mirror.ts'

const put = (revision: number, path: string, value: object | '' = ''): StoreEvent => ({
  type: 'Put',
  path,
  value: value === '' ? '' : JSON.stringify(value),
  revision,
})
const del = (revision: number, path: string): StoreEvent => ({ type: 'Delete', path, value: '', revision })

const claim = (revision: number, id: string, address = '10.0.0.2') => [
  put(revision, `endpoints/web/${id}`, { id, addresses: [address], mac: `mac-${id}`, name: 'x', node: 'h1' }),
  put(revision, `addresses/web/${address}`, { kind: 'ENDPOINT', endpointId: id, node: 'h1' }),
  put(revision, `macs/web/mac-${id}`, { endpointId: id }),
  put(revision, 'names/web/x', { endpointId: id }),
  put(revision, `placements/h1/web/${id}`),
]
const release = (revision: number, id: string, address = '10.0.0.2') =>
  claim(revision, id, address).map(({ path }) => del(revision, path))

function violations(...events: readonly StoreEvent[]): readonly string[] {
  const mirror = createStoreMirror()
  mirror.take(events)
  return mirror.violations
}

describe('createStoreMirror', () => {
  it('keeps what is there, and passes over what was told before', () => {
    const mirror = createStoreMirror()
    mirror.take(claim(1, 'a'))
    mirror.take([...claim(1, 'a'), ...release(2, 'a'), put(3, 'networks/web', { name: 'web' })])
    expect([[...mirror.keys], mirror.revision]).toEqual([[['networks/web', '{"name":"web"}']], 3])
    expect(mirror.historyOf('10.0.0.2').map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      '1 Put endpoints/web/a',
      '1 Put addresses/web/10.0.0.2',
      '2 Delete addresses/web/10.0.0.2',
    ])
  })

  it('takes claims and releases in one transaction each', () => {
    expect(violations(...claim(1, 'a'), ...release(2, 'a'), ...claim(3, 'b'))).toEqual([])
  })

  it('finds an owner that takes the place of another', () => {
    const b = { kind: 'ENDPOINT', endpointId: 'b', node: 'h2' }
    expect(violations(...claim(1, 'a'), put(2, 'addresses/web/10.0.0.2', b))).toEqual([
      'revision 2: addresses/web/10.0.0.2 was of endpoints/web/a, and became of endpoints/web/b without having been given back',
      'revision 2: endpoints/web/a is there without addresses/web/10.0.0.2',
      'revision 2: addresses/web/10.0.0.2 names endpoints/web/b, which is not there',
    ])
    const network = (name: string) => put(1, `networks/${name}`, { name, vni: 5 })
    expect(
      violations(network('a'), put(1, 'vnis/5', { network: 'a' }), put(2, 'vnis/5', { network: 'b' }))[0],
    ).toContain('vnis/5 was of networks/a')
    expect(
      violations(
        network('web'),
        put(1, 'vnis/5', { network: 'web' }),
        put(2, 'networks/web', { name: 'web', vni: 5, mtu: 1 }),
      ),
    ).toEqual([])
  })

  it('finds an endpoint that comes without all of its keys, or leaves some', () => {
    expect(violations(...claim(1, 'a').slice(0, -1))).toEqual([
      'revision 1: endpoints/web/a is there without placements/h1/web/a',
    ])
    expect(violations(...claim(1, 'a'), ...release(2, 'a').slice(0, 1), ...release(3, 'a').slice(1))).toEqual([
      'revision 2: endpoints/web/a is gone, and addresses/web/10.0.0.2, macs/web/mac-a, names/web/x, placements/h1/web/a is there',
    ])
  })

  it.each(
    claim(1, 'a')
      .slice(1)
      .map(({ path }) => path),
  )('finds that %s goes while its endpoint is there', (path) => {
    expect(violations(...claim(1, 'a'), del(2, path))).toEqual([`revision 2: endpoints/web/a is there without ${path}`])
  })

  it('finds an address that another claims after it went alone', () => {
    const other = claim(3, 'b').filter(({ path }) => path !== 'names/web/x')
    expect(violations(...claim(1, 'a'), del(2, 'addresses/web/10.0.0.2'), ...other)[0]).toBe(
      'revision 2: endpoints/web/a is there without addresses/web/10.0.0.2',
    )
  })

  it('finds a key of an endpoint that does not have it', () => {
    const stray = put(2, 'addresses/web/10.0.0.9', { kind: 'ENDPOINT', endpointId: 'a', node: 'h1' })
    expect(violations(...claim(1, 'a'), stray)).toEqual([
      'revision 2: addresses/web/10.0.0.9 names endpoints/web/a, which does not have it',
    ])
  })
})
