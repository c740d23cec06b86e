import { expect, it } from 'vitest'
import { Controller, Node, StoreMember } from '../proto/index.ts'
import { cloneLines, graceLines, memberLines, unreachableLines, warningLines } from './status.ts'
import type { Warning } from './warnings/warnings.ts'

const warnings = (count: number): Warning[] =>
  Array.from({ length: count }, (_, n) => ({
    key: `k${n}`,
    network: `n${n}`,
    problem: 'few addresses',
    message: 'few addresses are left',
  }))
const lines = (count: number) => warningLines({ count, all: (most) => warnings(count).slice(0, most) })

it('tells each warning with its network, and of too many how many more there are', () => {
  expect(lines(0)).toEqual([])
  expect(lines(2)).toEqual(['network n0: few addresses are left', 'network n1: few addresses are left'])
  expect(lines(100)).toHaveLength(100)
  expect(lines(137).slice(99)).toEqual([
    'network n99: few addresses are left',
    'and 37 more: overlayctl inspect tells those of a network',
  ])
})

const node = (name: string, state: 'READY' | 'UNREACHABLE') => Node.create({ name, status: { state } })
const controller = (id: string, nodeGrace: number) => Controller.create({ id, nodeGrace })

it('names each unreachable node, and what becomes of it', () => {
  const nodes = [node('host1', 'READY'), node('host3', 'UNREACHABLE')]
  const never =
    'host3 is unreachable since its session ended; nothing of it is removed. If it is gone for good: overlayctl node rm host3'
  expect(unreachableLines(nodes, undefined)).toEqual([never])
  expect(unreachableLines(nodes, controller('a', 0))).toEqual([never])
  expect(unreachableLines(nodes, controller('a', 300))).toEqual([
    'host3 is unreachable since its session ended; it is evicted, and its addresses are released, when it has been so for 300 s (--node-grace). To do that now: overlayctl node rm host3',
  ])
  const many = Array.from({ length: 25 }, (_, n) => node(`n${n}`, 'UNREACHABLE'))
  expect(unreachableLines(many, undefined)).toHaveLength(21)
  expect(unreachableLines(many, undefined).at(-1)).toBe(
    'and 5 more nodes are unreachable: overlayctl node ls tells which',
  )
})

it('tells of hosts that share a machine id, and not of namespaces of one host', () => {
  const on = (name: string, machineId: string, bootId: string) => Node.create({ name, machineId, bootId })
  expect(cloneLines([on('a', '', '1'), on('b', '', '2')])).toEqual([])
  expect(cloneLines([on('a', 'm', '1'), on('b', 'm', '1'), on('c', 'n', '2')])).toEqual([])
  expect(cloneLines([on('a', 'm', '1'), on('b', 'm', '2')])).toEqual([
    'b has the machine id of a, as clones of one image do: empty /etc/machine-id on it, run systemd-machine-id-setup, and reboot it',
  ])
})

it('tells of controllers that differ in when they evict', () => {
  expect(graceLines([controller('a', 300), controller('b', 300)], undefined)).toEqual([])
  expect(graceLines([controller('a', 0), controller('b', 300)], controller('b', 300))).toEqual([
    'the controllers differ in --node-grace: a has 0 s, b has 300 s; that of the janitor counts, now b; give all of them the same',
  ])
})

it('names members of the store that have a problem', () => {
  const members = [
    StoreMember.create({ name: 'm1', url: 'http://10.0.0.1:2379', leader: true }),
    StoreMember.create({ name: 'm2', url: 'http://10.0.0.2:2379', problem: 'does not answer' }),
    StoreMember.create({ url: 'http://10.0.0.3:2379', problem: 'has not started' }),
  ]
  expect(memberLines(members)).toEqual([
    'etcd member m2 (http://10.0.0.2:2379): does not answer',
    'etcd member http://10.0.0.3:2379: has not started',
  ])
})
