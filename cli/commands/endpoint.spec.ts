import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Endpoint, ListEndpointsRequest } from '../../proto/index.ts'
import { type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { endpoint } from '../testing/records.ts'

let cluster: FakeCluster
beforeEach(async () => {
  cluster = await startFakeCluster()
})
afterEach(() => cluster.close())
const run = (line: string) => invoke(cluster, line.split(' '))

const second = { ...endpoint, id: `4${endpoint.id.slice(1)}`, name: '' }

describe('endpoint ls', () => {
  it('prints a table of all pages', async () => {
    expect((await run('endpoint ls')).stdout).toBe(
      `ID             NAME     NETWORK   NODE    ADDRESSES            MAC                 INTERFACE   AGE
3f2a9c0d1e2f   client   web       host1   10.0.9.7,fd00:9::7   02:11:22:33:44:55   eth0        1d
4f2a9c0d1e2f   -        web       host1   10.0.9.7,fd00:9::7   02:11:22:33:44:55   eth0        1d
`,
    )
  })

  it('prints more when wide, lists in JSON, ids', async () => {
    expect((await run('endpoint ls -o wide')).stdout.split('\n')[1]).toBe(
      '3f2a9c0d1e2f   client   web       host1   10.0.9.7,fd00:9::7   02:11:22:33:44:55   eth0        /run/netns/c1   0             1d    -        3f2a9c0d1e2f30415263748596a7b8c9',
    )
    expect(JSON.parse((await run('endpoint ls -o json')).stdout)).toEqual([
      Endpoint.toJson(endpoint),
      Endpoint.toJson(second),
    ])
    expect((await run('endpoint ls -o name')).stdout).toBe(`${endpoint.id}\n${second.id}\n`)
  })

  it('asks for one network and node on every page', async () => {
    await run('endpoint ls --network web --node host1')
    const request = ListEndpointsRequest.create({ network: 'web', node: 'host1' })
    expect(cluster.calls.map((call) => call.request)).toEqual([request, { ...request, pageToken: 'second' }])
  })
})

it('endpoint inspect prints a sheet, an object, or a list', async () => {
  expect((await run('endpoint inspect 3f2a')).stdout).toBe(`ID:            3f2a9c0d1e2f30415263748596a7b8c9
Name:          client
Network:       web (7d1c6a5e000040008000000000000001)
Node:          host1
Addresses:     10.0.9.7,fd00:9::7
MAC:           02:11:22:33:44:55
Interface:     eth0
GW priority:   0
Sandbox:       /run/netns/c1
Cookie:        4711
Labels:        -
Created:       2026-03-01T10:00:00Z (1d ago)
`)
  expect(JSON.parse((await run('endpoint inspect 3f2a -o json')).stdout)).toEqual(Endpoint.toJson(endpoint))
  expect(JSON.parse((await run('endpoint inspect 3f2a 4f2a -o json')).stdout)).toHaveLength(2)
  expect(JSON.parse((await run('endpoint inspect 3f2a 3f2a -o json')).stdout)).toHaveLength(1)
  expect(cluster.calls[0]).toEqual({ method: 'endpoints.get', request: { id: '3f2a' } })
})

it('endpoint without a command is wrong usage and shows help', async () => {
  const result = await run('endpoint')
  expect(result).toMatchObject({ code: 2, stdout: '' })
  expect(result.stderr).toMatch(/^Usage: overlayctl endpoint/)
})
