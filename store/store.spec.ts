import { describe, expect, it } from 'vitest'
import { Network } from '../proto/index.ts'
import { createKeys } from './keys.ts'
import { type Entry, put } from './store.ts'

const keys = createKeys('/t/')

function entryOf(json: Record<string, unknown>): Entry<Network> {
  return { path: '/t/networks/web', value: Network.fromJson(json), json, createRevision: 1, modRevision: 1 }
}

describe('put', () => {
  const written = (write: ReturnType<typeof put>) => JSON.parse(write.do === 'put' ? write.value : '')

  it('writes canonical JSON, without defaults', () => {
    const write = put(keys.network('web'), { name: 'web', vni: 7, subnets: [{ cidr: '10.0.9.0/24' }] })
    expect(write).toMatchObject({ do: 'put', path: '/t/networks/web' })
    expect(written(write)).toEqual({ name: 'web', vni: 7, subnets: [{ cidr: '10.0.9.0/24' }] })
  })

  it('keeps fields that it does not know, and drops known ones that are not given', () => {
    const before = entryOf({ name: 'web', mtu: 1400, labels: { a: 'b' }, qos: { burst: 5 } })
    const write = put(keys.network('web'), { name: 'web', vni: 7 }, { over: before })
    expect(written(write)).toEqual({ name: 'web', vni: 7, qos: { burst: 5 } })
  })

  it('keeps what it does not know within a field that it knows, unless that is changed', () => {
    const subnets = [{ cidr: '10.0.9.0/24', zone: 'a' }]
    const before = entryOf({ name: 'web', state: 'FROZEN', subnets, mtu: 1400 })
    const same = put(keys.network('web'), { ...before.value, mtu: 1300 }, { over: before })
    expect(written(same)).toMatchObject({ state: 'FROZEN', subnets, mtu: 1300 })
    const changed = { ...before.value, state: 'READY', subnets: [{ cidr: '10.0.8.0/23' }] } as const
    expect(written(put(keys.network('web'), changed, { over: before }))).toMatchObject({
      state: 'READY',
      subnets: [{ cidr: '10.0.8.0/23' }],
    })
    const [written0] = written(put(keys.network('web'), changed, { over: before })).subnets
    expect(written0).not.toHaveProperty('zone')
  })

  it('writes nothing for a key without a record', () => {
    expect(put(keys.placement('host-1', 'web', 'e1'), null)).toMatchObject({ value: '' })
  })
})
