import { once } from 'node:events'
import { existsSync, linkSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { parseIp } from '../lib/ip.ts'
import { createRpcClient } from '../lib/rpc-client.ts'
import type { RpcServer } from '../lib/rpc-server.ts'
import { AgentService, Question } from '../proto/index.ts'
import { startEtcd, type TestEtcd } from '../store/etcd-for-tests.ts'
import { serveApi } from './api.ts'
import { answerQuestion } from './questions.ts'
import { createHost, startAgent, type TestAgent, type TestHost } from './testing/agent.ts'
import { openCluster, silent, type TestCluster } from './testing/cluster.ts'

let etcd: TestEtcd
let cluster: TestCluster
let host: TestHost
let agent: TestAgent
let servers: RpcServer[] = []

beforeAll(async () => {
  etcd = await startEtcd()
  cluster = await openCluster(etcd)
  host = createHost(1)
  agent = await startAgent(cluster, host)
  await cluster.addNetwork('web')
})
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close(0)))
  servers = []
})
afterAll(async () => {
  await agent.stop()
  await cluster.close()
  await etcd.close()
  host.remove()
})

const socketIn = (name: string) => join(host.directory, name, 'agent.sock')

async function serve(socket: string): Promise<void> {
  servers.push(await serveApi({ socket, log: silent, ...agent.agent }))
}

/** As a killed agent leaves one: nobody listens on it. Closing a server removes its own path only. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.listening`)
  await once(server, 'listening')
  linkSync(`${path}.listening`, path)
  await new Promise((resolve) => server.close(resolve))
}

describe('the socket', () => {
  it('is for its owner alone', async () => {
    const socket = socketIn('a')
    await serve(socket)
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    expect(statSync(join(socket, '..')).mode & 0o777).toBe(0o700)
  })

  it('of another agent is left to it; one that a killed agent left is taken', async () => {
    const socket = socketIn('b')
    await serve(socket)
    await expect(serve(socket)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: `another agent serves on ${socket}: stop it, or give --socket`,
    })
    expect(existsSync(socket)).toBe(true)
    await servers.pop()?.close(0)
    await leaveSocket(socket)
    expect(statSync(socket).isSocket()).toBe(true)
    await serve(socket)
    expect(statSync(socket).mode & 0o777).toBe(0o600)
  })

  it('is not made in place of a file', async () => {
    const path = join(host.directory, 'notes')
    writeFileSync(path, 'of somebody')
    await expect(serve(path)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: `${path} is there, and is not a socket: remove it, or give --socket another path`,
    })
    expect(readFileSync(path, 'utf8')).toBe('of somebody')
  })

  it('that a server of another kind listens on is left to it', async () => {
    const socket = join(host.directory, 'foreign.sock')
    const foreign = createServer().listen(socket)
    await expect(serve(socket)).rejects.toMatchObject({ code: 'failed_precondition' })
    await new Promise((resolve) => foreign.close(resolve))
  })

  it('serves attach, list, status and detach', async () => {
    const socket = socketIn('c')
    await serve(socket)
    const client = createRpcClient({
      address: `unix:${socket}`,
      credentials: credentials.createInsecure(),
      timeout: 5_000,
    })
    const calls = client.service(AgentService)
    host.kernel.sandboxes.set('/proc/77/ns/net', '77')
    const { endpoint } = await calls.attach({ network: 'web', pid: 77, name: 'db' })
    expect((await calls.list({})).endpoints).toEqual([endpoint])
    expect(await calls.getStatus({})).toMatchObject({
      state: 'READY',
      reason: '',
      node: { name: 'host-1', vtepAddress: '192.0.2.1', underlayMtu: 1500 },
      clusterUid: cluster.uid,
      networks: ['web'],
      localEndpointCount: 1,
      remoteEndpointCount: 0,
      problems: [],
      openIntents: 0,
    })
    await expect(calls.attach({ network: 'none', pid: 77 })).rejects.toMatchObject({ code: 'not_found' })
    expect((await calls.detach({ network: 'web', pid: 77 })).endpoint).toEqual(endpoint)
    expect((await calls.list({})).endpoints).toEqual([])
    client.close()
  })
})

describe('questions of a controller', () => {
  const never = new AbortController().signal
  const ask = (question: object, signal = never) => answerQuestion(agent.parts, Question.create(question), signal)

  it('applied: once the network was seen', async () => {
    await cluster.addNetwork('later', { subnets: ['10.0.8.0/24'] })
    const { revision } = await cluster.store.probe()
    const entry = await cluster.store.get(cluster.store.keys.network('later'))
    const answer = await ask({ applied: { network: 'later', revision: entry?.modRevision ?? 0 } })
    expect(answer.applied?.revision).toBeGreaterThanOrEqual(entry?.modRevision ?? 0)
    const timeout = new AbortController()
    const failed = ask({ applied: { network: 'later', revision: revision + 1_000 } }, timeout.signal)
    timeout.abort()
    await expect(failed).rejects.toMatchObject({ code: 'deadline' })
  })

  it('applied: once its endpoints here are as the record says, too, but for sandboxes that are gone', async () => {
    await cluster.addNetwork('mine', { subnets: ['10.0.7.0/24'] })
    const [one, two] = await Promise.all(['m1', 'm2'].map((name) => agent.attach(name, { network: 'mine' })))
    host.kernel.sandboxes.delete('/run/netns/m2')
    host.kernel.items.delete(`link ove${two?.endpoint?.id.slice(0, 12)}`)
    await agent.parts.reconciler.audit().catch(() => undefined)
    await cluster.changeNetwork('mine', (record) => ({ ...record, mtu: 1300 }))
    const entry = await cluster.store.get(cluster.store.keys.network('mine'))
    await ask({ applied: { network: 'mine', revision: entry?.modRevision ?? 0 } })
    expect(host.kernel.items.get(`link ove${one?.endpoint?.id.slice(0, 12)}`)).toMatchObject({ mtu: 1300 })
    const busy = new OverlayError('conflict', 'device is busy')
    host.kernel.failure = ({ item }) => (item.kind === 'veth' ? busy : undefined)
    await cluster.changeNetwork('mine', (record) => ({ ...record, mtu: 1280 }))
    const later = await cluster.store.get(cluster.store.keys.network('mine'))
    await expect(ask({ applied: { network: 'mine', revision: later?.modRevision ?? 0 } })).rejects.toBe(busy)
    host.kernel.failure = () => undefined
    for (const each of [one, two]) await agent.detach({ endpointId: each?.endpoint?.id ?? '' })
  })

  it('link addresses: what is really there, by network', async () => {
    await cluster.addNetwork('seen', { subnets: ['10.0.6.0/24'] })
    const [one, other] = await Promise.all([agent.attach('s1', { network: 'seen' }), agent.attach('s1')])
    const veth = `ove${one.endpoint?.id.slice(0, 12)}`
    host.kernel.foreignAddresses.set(veth, [parseIp('10.0.6.200')])
    const { linkAddresses } = await ask({ linkAddresses: { network: 'seen' } })
    expect(linkAddresses?.links?.toSorted((a, b) => (a.device ?? '').localeCompare(b.device ?? ''))).toEqual([
      { network: 'seen', endpointId: '', device: expect.stringMatching(/^ovbr/), addresses: ['10.0.6.1'] },
      {
        network: 'seen',
        endpointId: one.endpoint?.id,
        device: veth,
        addresses: [one.endpoint?.addresses[0], '10.0.6.200'],
      },
    ])
    const all = await ask({ linkAddresses: {} })
    expect(new Set(all.linkAddresses?.links?.map(({ network }) => network))).toEqual(new Set(['seen', 'web']))
    for (const each of [one, other]) await agent.detach({ endpointId: each.endpoint?.id ?? '' })
  })

  it('attach and detach', async () => {
    host.kernel.sandboxes.set('/run/netns/q', '78')
    const { attach } = await ask({ attach: { network: 'web', node: 'host-1', netns: '/run/netns/q' } })
    expect(attach?.endpoint?.node).toBe('host-1')
    const { detach } = await ask({ detach: { endpointId: attach?.endpoint?.id ?? '' } })
    expect(detach?.warning).toBe('')
  })

  it('of a newer kind are refused', async () => {
    await expect(ask({})).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('older than') })
  })
})
