import { beforeEach, expect, it } from 'vitest'
import { subject } from '../differences.ts'
import { Board } from './board.ts'

let board: Board
/** What waits for its time. */
let waiting: (() => void)[]
let told: string[]
beforeEach(() => {
  waiting = []
  told = []
  board = new Board((_, call) => void waiting.push(call))
  board.onDifference((one) => told.push(`${one.kind} ${subject(one).message}`))
})

const post = (gist: string, key = 'k') =>
  board.post({ key, network: 'web', gist, problem: () => gist, message: () => `${gist}; do something` })
/** The time of all that waits has come. */
const round = () => {
  for (const call of waiting.splice(0)) call()
  return told.splice(0)
}
/** Until nothing waits. */
const settle = () => {
  const all: string[] = []
  while (waiting.length > 0) all.push(...round())
  return all
}

it('shows at once, and tells what has settled, once', () => {
  post('few')
  post('none')
  expect([board.count, board.of('web').map(({ problem }) => problem), board.told()]).toEqual([1, ['none'], []])
  expect([told, waiting.length]).toEqual([[], 1])
  expect(settle()).toEqual(['created none; do something'])
  expect(board.told().map(({ problem }) => problem)).toEqual(['none'])
  post('few')
  expect(settle()).toEqual(['updated few; do something'])
  board.clear('web', 'k')
  expect([board.count, board.told().length]).toEqual([0, 1])
  expect(settle()).toEqual(['removed few; do something'])
  expect([board.told(), waiting]).toEqual([[], []])
})

it('tells nothing of what is again as it was, nor of what came and went', () => {
  post('none')
  settle()
  post('few')
  post('none')
  post('other', 'k2')
  board.clear('web', 'k2')
  expect(settle()).toEqual([])
  board.clear('web', 'k')
  post('none')
  expect(settle()).toEqual([])
  post('none')
  board.clear('web', 'nothing')
  expect(waiting).toEqual([])
})

it('waits for what is moving, but not for ever', () => {
  post('few')
  // Half done when the time has come.
  post('none')
  expect(round()).toEqual([])
  expect(round()).toEqual(['created none; do something'])
  let rounds = 0
  do {
    post(`${++rounds}`)
    post(`${rounds} and a half`)
  } while (round().length === 0)
  expect(rounds).toBe(11)
})
