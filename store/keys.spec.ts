import { expect, it } from 'vitest'
import { parseIp } from '../lib/ip.ts'
import { parseMac } from '../lib/mac.ts'
import { createKeys, defaultPrefix, parsePrefix, partBelow, partsBelow } from './keys.ts'

it('lays the keys out as the design says', () => {
  const keys = createKeys(defaultPrefix)
  expect([
    keys.cluster.path,
    keys.network('web').path,
    keys.vni(1048576).path,
    keys.endpoint('web', 'e1').path,
    keys.address('web', parseIp('FD00:0::7')).path,
    keys.mac('web', parseMac('02:00:00:00:00:01')).path,
    keys.placement('host-1', 'web', 'e1').path,
    keys.leader('janitor').path,
  ]).toEqual([
    '/overlay/v1/cluster',
    '/overlay/v1/networks/web',
    '/overlay/v1/vnis/1048576',
    '/overlay/v1/endpoints/web/e1',
    '/overlay/v1/addresses/web/fd00::7',
    '/overlay/v1/macs/web/02:00:00:00:00:01',
    '/overlay/v1/placements/host-1/web/e1',
    '/overlay/v1/leaders/janitor',
  ])
})

it('ends ranges in a slash, so that web is not web2', () => {
  const keys = createKeys('/t/')
  expect(keys.endpoints('web').prefix).toBe('/t/endpoints/web/')
  expect(keys.endpoint('web2', 'e').path.startsWith(keys.endpoints('web').prefix)).toBe(false)
})

it('tells the parts of a path', () => {
  const keys = createKeys('/t/')
  expect(partsBelow(keys.allEndpoints, keys.endpoint('web', 'e1').path)).toEqual(['web', 'e1'])
  expect(partBelow(keys.networks, keys.network('web').path)).toBe('web')
  expect(partBelow(keys.networks, `${keys.network('web').path}/x`)).toBeUndefined()
})

it.each([
  ['/overlay/v1/', '/overlay/v1/'],
  ['/overlay-2', '/overlay-2/'],
])('the prefix %s is %s', (text, prefix) => {
  expect(parsePrefix(text)).toBe(prefix)
})

it.each(['', '/', 'overlay', '/a b', '/a\n', `/${'a'.repeat(200)}`])('the prefix %j is refused', (text) => {
  expect(() => parsePrefix(text)).toThrow(`"${text}" is not a prefix of keys (for example /overlay/v1/)`)
})
