import { afterEach, beforeEach, expect, it } from 'vitest'
import { Node } from '../../proto/index.ts'
import { type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { host1, host2 } from '../testing/records.ts'

let cluster: FakeCluster
beforeEach(async () => {
  cluster = await startFakeCluster()
})
afterEach(() => cluster.close())
const run = (line: string) => invoke(cluster, line.split(' '))

it('node ls tells who is ready, unreachable, drained', async () => {
  expect((await run('node ls')).stdout).toBe(`NAME    STATUS                 VTEP        ENDPOINTS   VERSION   AGE
host1   ready                  192.0.2.1   1           0.1.0     1d
host2   unreachable, drained   192.0.2.2   2           0.1.0     1d
`)
  expect((await run('node ls -o wide')).stdout).toMatch(/DRAINED .*\nhost1 .* - +n1\nhost2 .* new disk +n2\n$/)
  expect(JSON.parse((await run('node ls -o json')).stdout)).toEqual([Node.toJson(host1), Node.toJson(host2)])
  expect((await run('node ls -o name')).stdout).toBe('host1\nhost2\n')
})

it('node inspect prints a sheet, an object, or a list', async () => {
  expect((await run('node inspect host1')).stdout).toBe(`Name:           host1
UID:            n1
Status:         ready
Drained:        -
Session:        2026-03-01T10:00:00Z (1d ago)
VTEP:           192.0.2.1
Underlay MTU:   1500
Endpoints:      1
Version:        0.1.0
Boot id:        b0
Machine id:     m1
Registered:     2026-03-01T10:00:00Z (1d ago)
`)
  expect(JSON.parse((await run('node inspect host1 -o json')).stdout)).toEqual(Node.toJson(host1))
  expect((await run('node inspect a b -o name')).stdout).toBe('a\nb\n')
})

it('node rm says what was released', async () => {
  expect((await run('node rm host2')).stdout).toBe('removed node host2 and released 2 endpoints\n')
  expect(JSON.parse((await run('node rm --force host2 -o json')).stdout)).toEqual([Node.toJson(host2)])
  expect(cluster.calls.map(({ request }) => request)).toEqual([
    { name: 'host2', force: false },
    { name: 'host2', force: true },
  ])
})

it('node drain and undrain say what became of the node', async () => {
  expect(await run('node drain host1 --reason disk')).toEqual({
    code: 0,
    stdout: 'drained node host1 and detached 2 endpoints\n',
    stderr: '',
  })
  expect((await run('node drain host1 host2 --keep-endpoints')).stdout).toBe(
    'drained node host1; its endpoints stay\ndrained node host2; its endpoints stay\n',
  )
  expect((await run('node undrain host1')).stdout).toBe('node host1 takes endpoints again\n')
  expect(JSON.parse((await run('node undrain host1 -o json')).stdout)).toEqual([Node.toJson(host1)])
  expect((await run('node drain host1 -o name')).stdout).toBe('host1\n')
  expect(cluster.calls.slice(0, 4)).toEqual([
    { method: 'nodes.drain', request: { name: 'host1', reason: 'disk', keepEndpoints: false } },
    { method: 'nodes.drain', request: { name: 'host1', keepEndpoints: true } },
    { method: 'nodes.drain', request: { name: 'host2', keepEndpoints: true } },
    { method: 'nodes.undrain', request: { name: 'host1' } },
  ])
})

it('node drain takes back a reason when it is told an empty one', async () => {
  await invoke(cluster, ['node', 'drain', 'host1', '--keep-endpoints', '--reason', ''])
  expect(cluster.calls).toEqual([
    { method: 'nodes.drain', request: { name: 'host1', reason: '', keepEndpoints: true } },
  ])
})

it('node drain asks nobody with a reason that is too long', async () => {
  const { code, stderr } = await run(`node drain host1 --reason ${'x'.repeat(501)}`)
  expect([code, stderr]).toEqual([2, 'overlayctl: --reason: 501 characters; at most 500 are kept\n'])
  expect(cluster.calls).toEqual([])
})

it('node drain tells how much is left while it lasts', async () => {
  let told = () => {}
  const seen = new Promise<void>((resolve) => {
    told = resolve
  })
  await cluster.close()
  cluster = await startFakeCluster({
    nodes: {
      get: async () => (told(), host2),
      drain: async () => {
        await seen
        return { node: host2, detachedEndpoints: 5 }
      },
    },
  })
  const { stdout, stderr } = await run('node drain host2')
  expect(stdout).toBe('drained node host2 and detached 5 endpoints\n')
  // The last number may come after the end.
  expect(['', 'host2: 2 endpoints left\n']).toContain(stderr)
})
