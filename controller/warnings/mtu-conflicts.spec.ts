import { beforeEach, expect, it } from 'vitest'
import { subject } from '../differences.ts'
import { Board } from './board.ts'
import { MtuConflicts } from './mtu-conflicts.ts'

let board: Board
let mtus: MtuConflicts
let told: string[]
beforeEach(() => {
  board = new Board((_, call) => call())
  mtus = new MtuConflicts(board)
  told = []
  board.onDifference((difference) => told.push(`${difference.kind} ${subject(difference).network}`))
})

const network = (name: string, mtu: number, least = 576) => mtus.setNetwork(name, { mtu, least })
const node = (name: string, most?: number) => mtus.setNodes([[name, most]])
const messages = (name = 'web') => board.of(name).map(({ message }) => message)

it('names the first nodes, what they carry, and what to do, whichever comes first', () => {
  node('h1', 1450)
  network('web', 1450)
  expect(messages()).toEqual([])
  node('h2', 1400)
  expect(messages()).toEqual([
    'its MTU of 1450 is more than node h2 (1400) carries: large packets from and to there are lost, and nothing can be attached there; overlayctl update web --mtu 1400, or raise the MTU of the underlay',
  ])
  mtus.setNodes([5, 4, 3].map((n) => [`h${n}`, 1380] as const))
  expect(messages()).toEqual([
    expect.stringMatching(/ nodes h3 \(1380\), h4 \(1380\), h5 \(1380\) and 1 more carry: .* web --mtu 1380,/),
  ])
  network('late', 1390)
  expect(messages('late')).toEqual([expect.stringContaining('MTU of 1390 is more than nodes h3 (1380), h4 (1380), h5')])
  expect(told).toEqual(['created web', 'updated web', 'created late'])
})

it('ends with a smaller MTU, larger underlays, and the last node or the network', () => {
  node('h1', 1400)
  network('web', 1450)
  network('web', 1400)
  expect(messages()).toEqual([])
  network('web', 1450)
  node('h1', 1450)
  expect(messages()).toEqual([])
  node('h1', 1400)
  node('h1')
  expect(messages()).toEqual([])
  node('h1', 1400)
  mtus.setNetwork('web', undefined)
  expect(board.all()).toEqual([])
  expect(told).toEqual(Array.from({ length: 4 }, () => ['created web', 'removed web']).flat())
})

it('does not advise what the network cannot have', () => {
  network('web', 1450, 1280)
  node('h1', 1250)
  expect(messages()).toEqual([expect.stringMatching(/attached there; raise the MTU of the underlay of node h1$/)])
})

it('nodes that carry enough cost nothing', () => {
  for (let n = 0; n < 1000; n++) network(`n${n}`, 1450)
  node('h0', 1450)
  let posted = 0
  const clear = board.clear.bind(board)
  board.clear = (...names) => (posted++, clear(...names))
  for (let n = 0; n < 1000; n++) node(`h${n}`, 8950)
  expect([posted, told]).toEqual([0, []])
})
