import { beforeEach, describe, expect, it } from 'vitest'
import { Subnet } from '../../proto/index.ts'
import type { Difference } from '../differences.ts'
import { Board } from './board.ts'
import { Exhaustion, type Stage, stageOf } from './exhaustion.ts'
import type { Warning } from './warnings.ts'

describe('stageOf', () => {
  it.each<[Stage, number, number, Stage]>([
    ['enough', 0, 100, 'enough'],
    ['enough', 89, 100, 'enough'],
    ['enough', 90, 100, 'few'],
    ['enough', 99, 100, 'few'],
    ['enough', 100, 100, 'none'],
    ['few', 85, 100, 'few'],
    ['few', 84, 100, 'enough'],
    ['few', 100, 100, 'none'],
    ['none', 99, 100, 'none'],
    ['none', 95, 100, 'none'],
    ['none', 94, 100, 'few'],
    ['none', 84, 100, 'enough'],
    // One of four is back.
    ['none', 3, 4, 'enough'],
    ['enough', 3, 4, 'enough'],
    ['enough', 4, 4, 'none'],
    // More than there are: the range is a new one.
    ['enough', 5, 4, 'none'],
    // A range without an address for hosts.
    ['enough', 0, 0, 'none'],
    ['enough', 1_000_000, 2 ** 64, 'enough'],
  ])('after "%s", %d of %d taken: %s', (before, taken, size, expected) => {
    expect(stageOf(before, taken, size)).toBe(expected)
  })
})

describe('Exhaustion', () => {
  let board: Board
  let exhaustion: Exhaustion
  let told: string[]
  beforeEach(() => {
    board = new Board((_, call) => call())
    exhaustion = new Exhaustion(board)
    told = []
    board.onDifference((difference) => told.push(kindAndMessage(difference)))
  })

  const grow = 'grow the subnet (overlayctl update web --subnet CIDR), or detach what is not needed'
  const widen = 'widen the range (overlayctl update web --ip-range CIDR), or detach what is not needed'
  const subnet = (cidr: string, ipRange = '') => Subnet.create({ cidr, ipRange })
  const messages = () => board.of('web').map(({ message }) => message)
  /** Takes or frees addresses 10.0.9.FROM to TO. */
  const set = (from: number, to: number, isTaken = true) => {
    for (let n = from; n <= to; n++) exhaustion.set('web', `10.0.9.${n}`, 'owned', isTaken)
  }

  it('tells when few are left, when none is, and when there are enough; in between only if asked', () => {
    exhaustion.setNetwork('web', [subnet('10.0.9.0/24')])
    set(1, 228)
    expect(told).toEqual([])
    set(229, 229)
    expect(told.splice(0)).toEqual([
      `created 229 of the 254 addresses of subnet 10.0.9.0/24 are taken: 25 left; ${grow}`,
    ])
    set(230, 253)
    expect(told).toEqual([])
    expect(messages()).toEqual([`253 of the 254 addresses of subnet 10.0.9.0/24 are taken: 1 left; ${grow}`])
    set(254, 254)
    const exhausted = `all 254 addresses of subnet 10.0.9.0/24 are taken: nothing more can be attached; ${grow}`
    expect(told.splice(0)).toEqual([`updated ${exhausted}`])
    set(254, 254, false)
    set(254, 254)
    set(250, 254, false)
    expect(told).toEqual([])
    set(216, 249, false)
    expect(told).toEqual([
      `updated 241 of the 254 addresses of subnet 10.0.9.0/24 are taken: 13 left; ${grow}`,
      expect.stringMatching(/^removed 241 of/),
    ])
    expect(board.all()).toEqual([])
  })

  it('counts an address once, and what rests as taken', () => {
    exhaustion.setNetwork('web', [subnet('10.0.9.0/28')])
    set(1, 8)
    // Given back: for a moment the one watch is ahead of the other.
    for (let n = 8; n >= 1; n--) {
      exhaustion.set('web', `10.0.9.${n}`, 'released', true)
      set(n, n, false)
    }
    set(9, 14)
    expect(messages()).toEqual([
      `all 14 addresses of subnet 10.0.9.0/28 are taken, 8 of them in quarantine: nothing more can be attached; ${grow}`,
    ])
    exhaustion.setAll('released', [['web', '10.0.9.1']])
    expect(board.all()).toEqual([])
  })

  it('counts only what addresses are chosen from, and anew when that changes', () => {
    set(1, 3)
    set(64, 127)
    exhaustion.setNetwork('web', [subnet('10.0.9.0/24', '10.0.9.64/26')])
    expect(told.splice(0)).toEqual([
      `created all 64 addresses of range 10.0.9.64/26 of subnet 10.0.9.0/24 are taken: nothing more can be attached; ${widen}`,
    ])
    exhaustion.setNetwork('web', [subnet('10.0.9.0/24', '10.0.9.64/26')])
    expect(told).toEqual([])
    exhaustion.setNetwork('web', [subnet('10.0.9.0/24')])
    expect(told.splice(0)).toEqual([expect.stringMatching(/^removed all 64/)])
    set(128, 254)
    set(4, 63)
    expect(told.splice(0)).toHaveLength(2)
    exhaustion.setNetwork('web', [subnet('10.0.8.0/23')])
    expect(told).toEqual([expect.stringMatching(/^removed all 254/)])
  })

  it('tells of each family', () => {
    exhaustion.setNetwork('web', [subnet('10.0.9.0/30'), subnet('fd00::/126')])
    set(1, 2)
    for (const address of ['fd00::1', 'fd00::2', 'fd00::3']) exhaustion.set('web', address, 'owned', true)
    expect(messages()).toEqual([
      expect.stringContaining('all 2 addresses of subnet 10.0.9.0/30'),
      expect.stringContaining('all 3 addresses of subnet fd00::/126'),
    ])
    exhaustion.setNetwork('web', [subnet('10.0.9.0/30')])
    expect(messages()).toHaveLength(1)
  })

  it('forgets a network that is removed, and takes another of its name for a new one', () => {
    exhaustion.setNetwork('web', [subnet('10.0.9.0/30')])
    set(1, 2)
    exhaustion.setNetwork('web', [])
    expect(told.map((line) => line.split(' ')[0])).toEqual(['created', 'removed'])
    set(1, 2, false)
    exhaustion.setNetwork('web', [subnet('10.0.9.0/30')])
    expect(board.all()).toEqual([])
  })

  it('takes a whole list, of several networks, and leaves out what is no address', () => {
    exhaustion.setNetwork('web', [subnet('10.0.9.0/30')])
    exhaustion.setNetwork('db', [subnet('10.0.8.0/30')])
    const all = [
      ['web', '10.0.9.1'],
      ['web', '10.0.9.2'],
      ['db', '10.0.8.1'],
      ['db', 'what'],
    ] as const
    exhaustion.setAll('owned', all)
    exhaustion.setAll('owned', all)
    expect(board.all().map(({ network }) => network)).toEqual(['web'])
    exhaustion.setAll('owned', [['db', '10.0.8.2'], ...all.slice(1)])
    expect(board.all().map(({ network }) => network)).toEqual(['db'])
  })
})

function kindAndMessage(difference: Difference<Warning>): string {
  return `${difference.kind} ${(difference.kind === 'removed' ? difference.before : difference.now).message}`
}
