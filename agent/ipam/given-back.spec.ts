import { describe, expect, it } from 'vitest'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { createGivenBack } from './given-back.ts'

const ip = (n: number) => parseIp(`10.0.9.${n}`)
const any = () => true

function givenBack(...notes: readonly (readonly [number, number])[]) {
  const all = createGivenBack()
  for (const [n, notBefore] of notes) all.note(ip(n), notBefore)
  return all
}

/** Takes until there is none. */
function takeAll(all: ReturnType<typeof givenBack>, now: number, isFree: (ip: Ip) => boolean = any): readonly Ip[] {
  const taken: Ip[] = []
  for (let next = all.take(now, isFree); next; next = all.take(now, isFree)) taken.push(next)
  return taken
}

describe('given back', () => {
  it('the longest ago comes first, and none before its time', () => {
    const all = givenBack([2, 10], [3, 20], [4, 30])
    expect(takeAll(all, 9)).toEqual([])
    expect(takeAll(all, 20)).toEqual([ip(2), ip(3)])
    expect(all.has(ip(3))).toBe(false)
    expect(all.has(ip(4))).toBe(true)
    expect(takeAll(all, 30)).toEqual([ip(4)])
  })

  it('once more is last again', () => {
    const all = givenBack([2, 10], [3, 20], [2, 30])
    expect(takeAll(all, 99)).toEqual([ip(3), ip(2)])
  })

  it('what is not free is passed over and forgotten', () => {
    const all = givenBack([2, 10], [3, 20])
    expect(takeAll(all, 99, (one) => one !== ip(2))).toEqual([ip(3)])
    expect(all.has(ip(2))).toBe(false)
  })

  it('by the word of one who knows, its time does not matter, and what is not free stays', () => {
    const all = givenBack([2, 10], [3, 20], [4, 30])
    expect(all.takeAny((one) => one !== ip(2))).toBe(ip(3))
    expect(all.takeAny(() => false)).toBeUndefined()
    expect(takeAll(all, 99)).toEqual([ip(2), ip(4)])
  })

  it('keeps so many and no more, the newest', () => {
    const all = createGivenBack(2)
    for (const n of [2, 3, 4, 4]) all.note(ip(n), n)
    expect([2, 3, 4].map((n) => all.has(ip(n)))).toEqual([false, true, true])
  })
})
