import { beforeEach, expect, it } from 'vitest'
import { parseCidr } from '../../lib/ip.ts'
import { subject } from '../differences.ts'
import { Board } from './board.ts'
import { type Route, RouteConflicts } from './route-conflicts.ts'

let board: Board
let conflicts: RouteConflicts
let told: string[]
beforeEach(() => {
  board = new Board((_, call) => call())
  conflicts = new RouteConflicts(board)
  told = []
  board.onDifference((difference) => told.push(`${difference.kind} ${subject(difference).network}`))
})

/** `10.0.0.0/16 eth0`, of kind ROUTE unless it begins with another. */
function route(text: string): Route {
  const [, kind = 'ROUTE', cidr = '', via = ''] = /^(?:([A-Z_]+) )?(\S+)(?: (.+))?$/.exec(text) ?? []
  return { kind: kind as Route['kind'], cidr: parseCidr(cidr), via }
}
const network = (name: string, ...subnets: string[]) => conflicts.setNetwork(name, subnets.map(parseCidr))
const node = (name: string, ...routes: string[]) => conflicts.setNodes([[name, routes.map(route)]])
/** What is wrong, without what to do about it. */
const messages = (name: string) => board.of(name).map(({ message }) => message.split(': what')[0] ?? '')

it.each([
  ['10.0.0.0/16 eth0', 'subnet 10.0.9.0/24 overlaps route 10.0.0.0/16 (eth0) of node h1'],
  ['10.0.9.0/24 eth0', 'subnet 10.0.9.0/24 overlaps route 10.0.9.0/24 (eth0) of node h1'],
  ['10.0.9.128/25', 'subnet 10.0.9.0/24 overlaps route 10.0.9.128/25 of node h1'],
  ['ADDRESS 10.0.9.7/32 lo', 'subnet 10.0.9.0/24 overlaps address 10.0.9.7 (lo) of node h1'],
  [
    'RESOLVER 10.0.9.53/32 /etc/resolv.conf',
    'subnet 10.0.9.0/24 overlaps resolver 10.0.9.53 (/etc/resolv.conf) of node h1',
  ],
  ['fd00::/8 eth0', 'subnet fd00:9::/64 overlaps route fd00::/8 (eth0) of node h1'],
])('a node with %s: whichever comes first', (text, expected) => {
  for (const name of ['web', 'other']) network(name)
  network('web', '10.0.9.0/24', 'fd00:9::/64')
  network('other', '10.10.9.0/24', 'fe00:9::/64')
  node('h1', text)
  expect(messages('web')).toEqual([expected])
  expect(board.of('other')).toEqual([])
  network('web')
  expect(board.all()).toEqual([])
  network('web', '10.0.9.0/24', 'fd00:9::/64')
  expect(messages('web')).toEqual([expected])
  expect(told).toEqual(['created web', 'removed web', 'created web'])
})

it.each([['10.0.8.0/24'], ['10.0.10.0/23'], ['fd00::/8'], ['KIND_UNSPECIFIED 10.0.9.0/24']])(
  '%s is no conflict of 10.0.9.0/24',
  (text) => {
    network('web', '10.0.9.0/24')
    node('h1', text)
    expect(board.all()).toEqual([])
  },
)

it('names what to do', () => {
  network('web', '10.0.9.0/24')
  node('h1', '10.0.0.0/16 eth0')
  expect(board.of('web')[0]?.message).toMatch(/: what .* hide each other; .*\(overlayctl update web --allow-overlap\)$/)
})

it('finds every network on a route, of many', () => {
  for (let n = 0; n < 50; n++) network(`n${n}`, `10.${n}.0.0/24`, `fd00:${n}::/64`)
  node('h1', '10.16.0.0/12', '10.3.0.7/32', 'fd00:7::/32')
  const found = board.all().map(({ network }) => Number(network.slice(1)))
  expect(found.toSorted((a, b) => a - b)).toEqual([3, 7, ...Array.from({ length: 16 }, (_, n) => 16 + n)])
  node('h1')
  expect(board.all()).toEqual([])
})

it('a thousand nodes with the same route make one warning, told once', () => {
  network('web', '10.0.9.0/24')
  for (let n = 1000; n < 2000; n++) node(`h${n}`, '10.0.0.0/16 eth0')
  expect(messages('web')).toEqual([
    'subnet 10.0.9.0/24 overlaps route 10.0.0.0/16 (eth0) of nodes h1000, h1001, h1002 and 997 more',
  ])
  expect(told).toEqual(['created web'])
  for (let n = 1000; n < 1999; n++) node(`h${n}`)
  expect(messages('web')).toEqual(['subnet 10.0.9.0/24 overlaps route 10.0.0.0/16 (eth0) of node h1999'])
  expect(told).toEqual(['created web'])
  node('h1999')
  expect(told).toEqual(['created web', 'removed web'])
})

it('one warning for each kind, with the first routes of many named', () => {
  network('web', '10.0.9.0/24')
  conflicts.setNodes(
    [5, 4, 3, 2, 1].map((n) => [`h${n}`, [route(`ADDRESS 10.0.9.${n}/32 eth0`), route('10.0.0.0/8 eth0')]] as const),
  )
  const overlap = (n: number) => `subnet 10.0.9.0/24 overlaps address 10.0.9.${n} (eth0) of node h${n}`
  expect(messages('web').toSorted()).toEqual([
    `${overlap(1)}; ${overlap(2)}; ${overlap(3)}; and 2 more`,
    'subnet 10.0.9.0/24 overlaps route 10.0.0.0/8 (eth0) of nodes h1, h2, h3 and 2 more',
  ])
  told.length = 0
  node('h5', '10.0.0.0/8 eth0')
  expect(told).toEqual([])
  node('h1', '10.0.0.0/8 eth0')
  expect(told).toEqual(['updated web'])
})

it('a node that reports the same again changes nothing', () => {
  network('web', '10.0.9.0/24')
  node('h1', '10.0.0.0/16 eth0', '10.0.9.0/25 eth1')
  node('h1', '10.0.9.0/25 eth1', '10.0.0.0/16 eth0')
  expect(told).toEqual(['created web'])
})

it('a thousand nodes on the route of five thousand networks: only the first one costs anything', () => {
  for (let n = 0; n < 5000; n++) network(`n${n}`, `10.${n >> 8}.${n & 255}.0/24`)
  node('h0', '10.0.0.0/8 tun0')
  expect([board.count, told.length]).toEqual([5000, 5000])
  let posted = 0
  const post = board.post.bind(board)
  board.post = (matter) => {
    posted++
    post(matter)
  }
  for (let n = 1; n < 1000; n++) node(`h${n}`, '10.0.0.0/8 tun0', `172.${n & 31}.0.0/16 br0`)
  for (let n = 0; n < 999; n++) node(`h${n}`)
  expect(posted).toBe(0)
  expect(board.all(1)[0]?.message).toContain('route 10.0.0.0/8 (tun0) of node h999:')
  node('h999')
  expect([board.count, told.length]).toEqual([0, 10_000])
})
