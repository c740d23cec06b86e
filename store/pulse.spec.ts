import { describe, expect, it } from 'vitest'
import { Pulse } from './pulse.ts'

const pulse = () => new Pulse({ quiet: 2_000, longest: 10_000 })

describe('Pulse', () => {
  it('gives a member that was quick so far the time that it is given at first', () => {
    const quick = pulse()
    expect([quick.patience(), quick.hedge()]).toEqual([2_000, 500])
    quick.heard(100, 103)
    expect([quick.patience(), quick.hedge(), quick.heardAt]).toEqual([2_000, 500, 103])
  })

  it('waits longer for one that was slow, up to the longest call', () => {
    const slow = pulse()
    slow.heard(0, 2_000)
    expect([slow.patience(), slow.hedge()]).toEqual([4_000, 3_000])
    slow.heard(0, 60_000)
    expect([slow.patience(), slow.hedge()]).toEqual([10_000, 10_000])
  })

  it('forgets slowness by and by', () => {
    const recovered = pulse()
    recovered.heard(0, 5_000)
    for (let answer = 0; answer < 5; answer++) recovered.heard(9_000, 9_001)
    expect(recovered.patience()).toBe(2_000)
  })
})
