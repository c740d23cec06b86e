import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KeyValue, RangeRequest, RangeResponse } from './etcd-api.ts'
import { keyAfter, rangeEnd, readWholeRange } from './range.ts'

describe('rangeEnd', () => {
  it.each([
    ['/overlay/v1/nodes/', '/overlay/v1/nodes0'],
    ['a', 'b'],
    ['', '\0'],
  ])('of %j is %j', (prefix, end) => {
    expect(rangeEnd(prefix).toString()).toBe(end)
  })

  it('holds exactly the keys that begin with the prefix', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', '/', '0', '\u07ff', '\u{10ffff}'),
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(text, text, (prefix, key) => {
        const bytes = Buffer.from(key)
        const from = Buffer.from(prefix)
        const inRange = bytes.compare(from) >= 0 && bytes.compare(rangeEnd(prefix)) < 0
        expect(inRange).toBe(bytes.subarray(0, from.length).equals(from))
      }),
    )
  })
})

it('keyAfter is the next key', () => {
  expect(keyAfter('a').toString()).toBe('a\0')
})

describe('readWholeRange', () => {
  const compacted = Object.assign(new Error('compacted'), {
    code: 11,
    details: 'etcdserver: mvcc: required revision has been compacted',
  })

  it('reads page after page at the first revision, large records few at a time', async () => {
    const { read, requests } = fakeEtcd(2_000, 40_000)
    const { header, items } = await readWholeRange(read, { prefix: 'k' }, (kv) => kv.key.toString())
    expect(header.revision).toBe('7')
    expect(items).toHaveLength(2_000)
    expect(new Set(items).size).toBe(2_000)
    expect(requests[0]?.revision).toBeUndefined()
    expect(requests.slice(1).every(({ revision, limit }) => revision === 7 && limit === 52)).toBe(true)
  })

  it('begins again when the revision is compacted meanwhile', async () => {
    const { read } = fakeEtcd(2_000, 10)
    let calls = 0
    const flaky = async (request: RangeRequest) => {
      if (++calls === 2) throw compacted
      return read(request)
    }
    const { items } = await readWholeRange(flaky, { prefix: 'k' }, (kv) => kv.key.toString())
    expect(new Set(items).size).toBe(2_000)
    expect(items).toHaveLength(2_000)
  })

  it('gives up when that goes on', async () => {
    const { read } = fakeEtcd(2_000, 10)
    const flaky = async (request: RangeRequest) => {
      if (request.revision) throw compacted
      return read(request)
    }
    await expect(readWholeRange(flaky, { prefix: 'k' }, (kv) => kv)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

function fakeEtcd(count: number, size: number) {
  const value = Buffer.alloc(size)
  const kvs: KeyValue[] = Array.from({ length: count }, (_, n) => ({
    key: Buffer.from(`k${String(n).padStart(6, '0')}`),
    value,
    create_revision: '1',
    mod_revision: '1',
  }))
  const requests: RangeRequest[] = []
  const read = async (request: RangeRequest): Promise<RangeResponse> => {
    requests.push(request)
    const rest = kvs.filter(({ key }) => key.compare(request.key) >= 0)
    const page = rest.slice(0, request.limit)
    return {
      header: { cluster_id: '1', revision: '7', raft_term: '2' },
      kvs: page,
      more: rest.length > page.length,
      count: String(rest.length),
    }
  }
  return { read, requests }
}
