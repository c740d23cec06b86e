import { describe, expect, it } from 'vitest'
import { type AddressRunState, ShowIpamResponse, SubnetMap } from '../../proto/index.ts'
import { ipamMapText } from './ipam-map.ts'

type Run = readonly [first: string, state: AddressRunState, last?: string]

interface Usage {
  readonly used?: number
  readonly reserved?: number
  readonly quarantined?: number
  readonly free?: string
  readonly freeInRange?: string
  readonly percentUsed?: number
}

const subnet = (cidr: string, runs: readonly Run[], usage: Usage = {}, ipRange = '') =>
  SubnetMap.create({
    usage: { cidr, free: '0', freeInRange: '0', ...usage },
    ipRange,
    runs: runs.map(([first, state, last = first]) => ({ first, last, state })),
  })

const text = (subnets: readonly SubnetMap[], wide = false) =>
  ipamMapText(ShowIpamResponse.create({ subnets }), { wide })
const linesOf = (subnet: SubnetMap, wide = false) => text([subnet], wide).trimEnd().split('\n')
const dots = '................'

describe('a character per address', () => {
  it('with every state, the range, and the legend of what is there', () => {
    const map = subnet(
      '10.0.9.0/24',
      [
        ['10.0.9.1', 'GATEWAY'],
        ['10.0.9.2', 'AUXILIARY'],
        ['10.0.9.9', 'RESERVED'],
        ['10.0.9.64', 'USED', '10.0.9.79'],
        ['10.0.9.127', 'USED', '10.0.9.129'],
        ['10.0.9.130', 'QUARANTINED'],
      ],
      { used: 19, reserved: 3, quarantined: 1, free: '231', freeInRange: '40', percentUsed: 34.9 },
      '10.0.9.64/26',
    )
    expect(
      text([map]),
    ).toBe(`10.0.9.0/24: 19 used, 3 reserved, 1 in quarantine, 231 free; range 10.0.9.64/26: 40 free, 34.9 % full
10.0.9.0     -GA______R______ ________________ ________________ ________________
10.0.9.64    ################ ${dots} ${dots} ...............#
10.0.9.128   ##q_____________ ________________ ________________ ________________
10.0.9.192   ________________ ________________ ________________ _______________-
# used   G gateway   A auxiliary   R reserved   q in quarantine   . free   _ free, only when asked for   - for no host
`)
  })

  it.each([
    ['10.0.9.0/30', ['10.0.9.0   -..-']],
    ['10.0.9.0/31', ['10.0.9.0   --']],
    ['10.0.9.7/32', ['10.0.9.7   -']],
    ['fd00:9::/126', ['fd00:9::   -...']],
    ['10.0.9.0/27', [`10.0.9.0   -............... ...............-`]],
  ])('also in small subnets: %s', (cidr, lines) => {
    expect(linesOf(subnet(cidr, [])).slice(1, -1)).toEqual(lines)
  })

  it.each([
    ['10.0.8.0/22', 16, '10.0.11.192'],
    ['10.0.8.0/21', 32, '10.0.15.192'],
    ['fd00:9::/117', 32, 'fd00:9::7c0'],
  ])('in all lines of %s', (cidr, count, first) => {
    const lines = linesOf(subnet(cidr, []))
    expect(lines).toHaveLength(count + 2)
    expect(lines.at(-2)).toMatch(new RegExp(`^${first} `))
  })
})

describe('a character per block', () => {
  it('with the tenths that are taken', () => {
    // Blocks of 32 addresses, the first with one host less.
    const lines = linesOf(
      subnet('10.1.0.0/16', [
        ['10.1.0.1', 'GATEWAY', '10.1.0.31'],
        ['10.1.0.32', 'USED'],
        ['10.1.0.64', 'USED', '10.1.0.79'],
        ['10.1.0.96', 'USED', '10.1.0.126'],
        ['10.1.7.224', 'QUARANTINED', '10.1.8.31'],
      ]),
    )
    expect(lines).toHaveLength(34)
    expect(lines[1]).toBe(`10.1.0.0     #159............ ${dots} ${dots} ...............#`)
    expect(lines[2]).toBe(`10.1.8.0     #............... ${dots} ${dots} ${dots}`)
    expect(lines.at(-1)).toBe('a character: 32 addresses   . all free   1-9 tenths not free   # none free')
  })

  it('of a full subnet', () => {
    const lines = linesOf(subnet('10.1.0.0/20', [['10.1.0.1', 'USED', '10.1.15.254']]))
    expect(lines.slice(1, -1).join('')).not.toMatch(/[.1-9]#| \d{1,3}$/)
    expect(lines[1]?.slice(-16)).toBe('################')
    expect(lines[32]?.slice(-16)).toBe('################')
  })

  it('of a vast subnet, only where something is, and its runs', () => {
    const usage = { used: 2, reserved: 1, free: '18446744073709551612', freeInRange: '18446744073709551612' }
    const map = subnet(
      'fd00:9::/64',
      [
        ['fd00:9::1', 'GATEWAY'],
        ['fd00:9:0:0:8000::5', 'USED', 'fd00:9:0:0:8000::6'],
      ],
      { ...usage, percentUsed: 1e-17 },
    )
    expect(text([map])).toBe(`fd00:9::/64: 2 used, 1 reserved, 0 in quarantine, 1.8e19 free; <0.1 % full
fd00:9::            1............... ${dots} ${dots} ${dots}
fd00:9:0:0:8000::   1............... ${dots} ${dots} ${dots}
30 of 32 lines are left out: all free
a character: 9.0e15 addresses   . all free   1-9 tenths not free   # none free
fd00:9::1                                 gateway
fd00:9:0:0:8000::5 - fd00:9:0:0:8000::6   used
`)
  })

  it('lists the first runs of a vast subnet, all of them when wide', () => {
    const runs = Array.from({ length: 25 }, (_, at): Run => [`fd00:9::${at + 1}0`, 'USED'])
    expect(linesOf(subnet('fd00:9::/64', runs)).at(-1)).toBe('and 5 more: see them with -o wide')
    expect(linesOf(subnet('fd00:9::/64', runs), true)).toHaveLength(1 + 1 + 1 + 1 + 25)
  })
})

it('a network of two subnets has two maps', () => {
  const both = text([subnet('10.0.9.0/30', []), subnet('fd00:9::/126', [])])
  expect(both.split('\n\n')).toHaveLength(2)
  expect(both).toContain('\n\nfd00:9::/126: ')
})
