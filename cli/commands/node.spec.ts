import { afterEach, beforeEach, expect, it } from 'vitest'
import { Node } from '../../proto/index.ts'
import { type FakeCluster, host1, host2, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'

let cluster: FakeCluster
beforeEach(async () => {
  cluster = await startFakeCluster()
})
afterEach(() => cluster.close())
const run = (line: string) => invoke(cluster, line.split(' '))

it('node ls tells who is live', async () => {
  expect((await run('node ls')).stdout).toBe(`NAME    STATUS   VTEP        ENDPOINTS   VERSION   AGE
host1   live     192.0.2.1   1           0.1.0     1d
host2   lost     192.0.2.2   -           0.1.0     1d
`)
  expect(JSON.parse((await run('node ls -o json')).stdout)).toEqual([Node.toJson(host1), Node.toJson(host2)])
  expect((await run('node ls -o name')).stdout).toBe('host1\nhost2\n')
})

it('node inspect prints a sheet, an object, or a list', async () => {
  expect((await run('node inspect host1')).stdout).toBe(`Name:           host1
UID:            n1
Status:         live
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
