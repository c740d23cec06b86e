import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { Network } from '../proto/index.ts'
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
