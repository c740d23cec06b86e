import { describe, expect, it } from 'vitest'
import { Network } from '../../proto/index.ts'
import { parseFilters } from './filters.ts'

const now = new Date('2026-03-01T12:00:00Z')
const network = Network.create({
  name: 'web-front',
  uid: '0123456789abcdef0123456789abcdef',
  labels: { env: 'prod', tier: '', formula: 'a=b' },
  createdAt: '2026-03-01T11:00:00Z',
})
const fits = (...filters: string[]) => parseFilters(filters, now).fits(network)

describe('parseFilters', () => {
  it.each<[boolean, ...string[]]>([
    [true],
    [true, 'name=web'],
    [true, 'name=-fr'],
    [false, 'name=webx'],
    [true, 'name=webx', 'name=front'],
    [true, 'id=0123'],
    [false, 'id=123'],
    [true, 'label=env'],
    [true, 'label=env=prod'],
    [false, 'label=env=test'],
    [false, 'label=toString'],
    [true, 'label=tier='],
    [true, 'label=formula=a=b'],
    [true, 'label=env', 'label=tier'],
    [false, 'label=env', 'label=missing'],
    [true, 'driver=overlay'],
    [false, 'driver=bridge'],
    [true, 'driver=bridge', 'driver=overlay'],
    [true, 'until=30m'],
    [false, 'until=2h'],
    [true, 'until=2026-03-01T11:30:00Z'],
    [false, 'until=2026-03-01T10:30:00Z'],
    [false, 'name=web', 'label=missing'],
    [true, 'node=n1', 'dangling=true'],
  ])('tells %s with %j', (expected, ...filters) => {
    expect(fits(...filters)).toBe(expected)
  })

  it('hands on what has to be read', () => {
    expect(parseFilters(['node=n1', 'node=0a'], now).nodes).toEqual(['n1', '0a'])
    expect(parseFilters(['dangling=1'], now).dangling).toBe(true)
    expect(parseFilters(['dangling=false'], now).dangling).toBe(false)
    expect(parseFilters(['dangling=true', 'dangling=0'], now).dangling).toBeUndefined()
  })

  it.each([
    ['web', 'filter "web": there is none of that name: use name, id, label, driver, until, node, dangling'],
    ['scope=local', 'filter "scope=local": there is none of that name'],
    ['constructor=x', 'there is none of that name'],
    ['', 'filter "": there is none of that name'],
    ['name', 'filter "name": write name=VALUE'],
    ['name=', 'filter "name=": give a part of a name'],
    ['name=W', 'give a part of a name'],
    ['id=xyz', 'filter "id=xyz": give the first of the 32 hex digits'],
    ['label=', 'write label=KEY or label=KEY=VALUE'],
    ['label==x', 'write label=KEY'],
    ['driver=', 'give a driver'],
    ['node=N', 'filter "node=N": "N" is not a name'],
    ['dangling=maybe', 'filter "dangling=maybe": give true or false'],
    ['until=soon', 'filter "until=soon": "soon" is no point in time'],
  ])('refuses %j', (filter, why) => {
    expect(() => parseFilters([filter], now)).toThrow(why)
  })

  it('refuses more than it could hold against every network', () => {
    expect(() => parseFilters(Array(300_000).fill('label=a'), now)).toThrow(
      'filters: 300000 are too many (at most 100)',
    )
    expect(() => parseFilters(Array(100).fill('label=a'), now)).not.toThrow()
  })

  it('names every fault at once', () => {
    expect(() => parseFilters(['x', 'id=z', 'until=y', 'name=web'], now)).toThrow(
      /"x": .*; .*"id=z": .*; .*"until=y": /,
    )
  })
})
