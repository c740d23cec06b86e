import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { parseIp } from '../../lib/ip.ts'
import { silent } from '../testing/cluster.ts'
import type { Vtep, VtepReview } from './vtep.ts'
import { watchVtep } from './vtep-watch.ts'

const vtepOf = (n: number, mtu = 1500): Vtep => ({ address: parseIp(`10.0.0.${n}`), mtu })
let stop: AbortController
let current: Vtep
let reviewed: VtepReview
/** What the first reviews find in place of `reviewed`. */
let passing: VtepReview[]
let moves: Vtep[]
let otherAddresses: number
let failure: OverlayError | undefined

beforeEach(() => {
  stop = new AbortController()
  current = vtepOf(1)
  reviewed = { vtep: current, problem: undefined }
  passing = []
  moves = []
  otherAddresses = 0
  failure = undefined
})
afterEach(() => stop.abort())

function watch(steady = 20) {
  return watchVtep({
    current: () => current,
    review: () => passing.shift() ?? reviewed,
    onOtherAddress: () => {
      otherAddresses++
    },
    move: async (vtep) => {
      moves.push(vtep)
      if (failure) throw failure
      current = vtep
    },
    signal: stop.signal,
    log: silent,
    steady,
  })
}

const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 5_000, interval: 1 })

it('changes what has changed and stays so, told or not', async () => {
  reviewed = { vtep: vtepOf(2), problem: undefined }
  const { changed } = watch()
  await until(() => current.address === '10.0.0.2')
  reviewed = { vtep: vtepOf(2, 1400), problem: undefined }
  changed()
  await until(() => current.mtu === 1400)
  expect(moves).toEqual([vtepOf(2), vtepOf(2, 1400)])
  expect(otherAddresses).toBe(1)
})

it('does nothing about what is there again a moment later', async () => {
  passing = [vtepOf(2), current, vtepOf(2), vtepOf(3)].map((vtep) => ({ vtep, problem: undefined }))
  reviewed = { vtep: current, problem: 'seen to the end' }
  const { problem } = watch()
  await until(() => problem() === 'seen to the end')
  expect([moves, passing]).toEqual([[], []])
})

it('tells what is amiss, for as long as it is', async () => {
  reviewed = { vtep: current, problem: 'eth0 is down' }
  const { changed, problem } = watch()
  await until(() => problem() === 'eth0 is down')
  reviewed = { vtep: current, problem: undefined }
  changed()
  await until(() => problem() === undefined)
})

it('tells what stands against the change, and tries again', async () => {
  reviewed = { vtep: vtepOf(2), problem: undefined }
  failure = new OverlayError('already_exists', 'VTEP address 10.0.0.2 is already that of node h2')
  const { problem } = watch(1)
  await until(() => problem() === failure?.message)
  failure = undefined
  await until(() => current.address === '10.0.0.2' && problem() === undefined)
  // What goes over the store's connections meanwhile is not to be disturbed time and again.
  expect([otherAddresses, moves.length > 1]).toEqual([1, true])
})
