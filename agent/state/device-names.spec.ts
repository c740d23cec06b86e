import { describe, expect, it } from 'vitest'
import { parseVni } from '../../lib/vni.ts'
import { idOf } from '../testing/views.ts'
import { aliasOf, bridgeName, ownerOf, readAlias, vethName, vxlanName } from './device-names.ts'

it('names fit into the 15 characters that Linux takes', () => {
  const names = [bridgeName(parseVni(16777215)), vxlanName(parseVni(16777215)), vethName(idOf('ab'))]
  expect(names).toEqual(['ovbr16777215', 'ovvx16777215', 'oveab0000000000'])
  expect(names.every((name) => name.length <= 15)).toBe(true)
})

describe('aliases', () => {
  it.each([
    [aliasOf('c1', 'web'), { network: 'web', endpointId: '' }],
    [aliasOf('c1', 'web', idOf('02')), { network: 'web', endpointId: idOf('02') }],
    [aliasOf('c2', 'web'), undefined],
    ['overlay/c1', undefined],
    ['overlay/c1/', undefined],
    ['overlay/c1/web/02/more', undefined],
    ['', undefined],
    ['uplink', undefined],
  ])('%j tells %j', (alias, mark) => {
    expect(readAlias('c1', alias)).toEqual(mark)
  })

  it('tell whose work a device is', () => {
    const veth = { kind: 'veth', name: 'ove02', mac: '', mtu: 1450, bridge: 'ovbr7' } as const
    expect(ownerOf('c1', { ...veth, alias: aliasOf('c1', 'web', idOf('02')) })).toBe(`endpoint web ${idOf('02')}`)
    expect(ownerOf('c1', { ...veth, alias: aliasOf('c1', 'web') })).toBe('network web')
    expect(ownerOf('c1', { ...veth, alias: '' })).toBeUndefined()
    expect(ownerOf('c1', { kind: 'isolation' })).toBeUndefined()
  })
})
