import { describe, expect, it } from 'vitest'
import { createIfnames } from './ifnames.ts'

describe('hold', () => {
  it.each([
    [[], 'eth0'],
    [['lo'], 'eth0'],
    [['lo', 'eth0'], 'eth1'],
    [['eth1', 'eth0', 'eth3'], 'eth2'],
    [['eth00', 'Eth0'], 'eth0'],
  ])('beside %j the first free one is %s', (taken, ifname) => {
    expect(createIfnames().hold('1', '', taken).ifname).toBe(ifname)
  })

  it('where none is asked for, the one that it had rather is taken, if it is free', () => {
    const ifnames = createIfnames()
    expect(ifnames.hold('1', '', ['lo', 'eth0'], 'net0').ifname).toBe('net0')
    expect(ifnames.hold('1', '', ['lo', 'eth0'], 'net0').ifname).toBe('eth1')
    expect(ifnames.hold('2', '', ['lo', 'net0'], 'net0').ifname).toBe('eth0')
    expect(ifnames.hold('3', 'eth7', ['lo'], 'net0').ifname).toBe('eth7')
  })

  it('nobody gets what another holds in the same sandbox', () => {
    const ifnames = createIfnames()
    const first = ifnames.hold('1', '', [])
    const second = ifnames.hold('1', 'eth1', [])
    expect(ifnames.hold('1', '', []).ifname).toBe('eth2')
    expect(ifnames.hold('2', '', []).ifname).toBe('eth0')
    expect(() => ifnames.hold('1', 'eth1', [])).toThrow('another attach is at work on eth1 of this sandbox')
    first.giveUp()
    second.giveUp()
    expect(ifnames.hold('1', 'eth1', []).ifname).toBe('eth1')
    expect(ifnames.hold('1', '', []).ifname).toBe('eth0')
  })
})
