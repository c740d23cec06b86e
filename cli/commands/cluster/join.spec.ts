import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { OverlayError } from '../../../lib/errors.ts'
import { paths } from '../../../lib/paths.ts'
import { createFakeHost, type FakeHostOptions } from '../../testing/host.ts'
import { type InvokeOptions, invoke } from '../../testing/invoke.ts'
import { type ManagedCluster, type ManagedOptions, startManagedCluster } from '../../testing/managed.ts'
import { agentStatus } from '../../testing/records.ts'
import { member, securityStatus } from '../../testing/security.ts'

/** Each runs overlayctl several times, with keys that are made anew. */
const slow = { timeout: 30_000 }

const clusters: ManagedCluster[] = []
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.close()
})

async function managed(options: ManagedOptions = {}): Promise<ManagedCluster> {
  const cluster = await startManagedCluster(options)
  clusters.push(cluster)
  return cluster
}

/** The way to the fake controller is the loopback, so the address is always named. */
function join(cluster: ManagedCluster, flags: readonly string[], options: InvokeOptions = {}) {
  const ports = { controller: Number(cluster.controller.split(':')[1]) }
  const host = options.host ?? createFakeHost({ ports })
  const line = ['cluster', 'join', cluster.controller, '--advertise', '192.0.2.10', ...flags]
  return invoke(cluster, line, { ...options, host })
}

const config = (host: ReturnType<typeof createFakeHost>, path: string) =>
  parse(host.read(path).toString()) as Record<string, unknown>

it('makes this host a node: key made here, certificate, agent', slow, async () => {
  const cluster = await managed()
  const host = createFakeHost()
  expect(await join(cluster, ['--token', cluster.token], { host })).toEqual({
    code: 0,
    stdout: 'host1 is a node of the cluster: see overlayctl node ls\n',
    stderr: `joining at ${cluster.controller} as host1\nstarting the agent\n`,
  })
  expect(host.listing()).toEqual([
    '/etc/overlay/agent.yaml 0644 root:root',
    '/var/lib/overlay/agent/tls/ca.crt 0644 root:root',
    '/var/lib/overlay/agent/tls/tls.crt 0644 root:root',
    '/var/lib/overlay/agent/tls/tls.key 0600 root:root',
  ])
  expect(config(host, paths.agentConfig)).toEqual({
    etcd: 'https://192.0.2.1:2379',
    prefix: '/overlay/v1/',
    node: 'host1',
    vtepAddress: '192.0.2.10',
    tlsCert: '/var/lib/overlay/agent/tls/tls.crt',
    tlsKey: '/var/lib/overlay/agent/tls/tls.key',
    tlsCa: '/var/lib/overlay/agent/tls/ca.crt',
  })
  expect([...host.running]).toEqual(['overlay-agent.service'])
  expect([...host.enabled]).toEqual(['overlay-agent.service'])
  expect(JSON.stringify(cluster.calls)).not.toContain('PRIVATE')
})

it.each<[string, readonly string[], (token: string) => InvokeOptions]>([
  ['the environment', [], (token) => ({ env: { OVERLAY_TOKEN: token } })],
  ['standard input', ['--token-file', '-'], (token) => ({ input: `${token}\n` })],
  ['a file', ['--token-file', '/t'], (token) => ({ host: createFakeHost({ files: { '/t': `${token}\n` } }) })],
])('takes the token from %s', slow, async (_, flags, options) => {
  const cluster = await managed()
  expect(await join(cluster, flags, options(cluster.token))).toMatchObject({ code: 0 })
})

it('joins the control plane: member added, started, promoted; then the controller; then the agent', slow, async () => {
  let asked = 0
  const cluster = await managed({
    forControlPlane: true,
    controlPlane: {
      promoteMember: async () => {
        if (asked++ < 2) throw new OverlayError('unavailable', 'it catches up')
        return { members: [] }
      },
    },
  })
  const host = createFakeHost({ hostname: 'host2', ports: { controller: Number(cluster.controller.split(':')[1]) } })
  expect(await join(cluster, ['--control-plane', '--token', cluster.token], { host })).toMatchObject({ code: 0 })
  const asks = cluster.calls.map(({ method }) => method)
  expect(asks.slice(0, 5)).toEqual([
    'enrolment.join',
    'controlPlane.addMember',
    ...Array.from({ length: 3 }, () => 'controlPlane.promoteMember'),
  ])
  expect(config(host, paths.etcdConfig)).toMatchObject({
    name: 'host2',
    'initial-cluster': 'host1=https://host1:2380,host2=https://192.0.2.10:2380',
    'initial-cluster-state': 'existing',
  })
  expect(config(host, paths.controllerConfig)).toMatchObject({
    etcd: 'https://192.0.2.10:2379,https://192.0.2.1:2379',
    prefix: '/overlay/v1/',
  })
  expect(host.read(paths.sealingKey)).toEqual(cluster.sealingKey)
  expect([...host.enabled]).toEqual([
    'overlay-etcd.service',
    'overlay-etcd-trust.path',
    'overlay-controller.service',
    'overlay-agent.service',
  ])
})

it.each<[string, ManagedOptions, string]>([
  ['etcd', { controlPlane: { promoteMember: async () => refuse('corrupt') } }, 'corrupt'],
  ['the agent', { agent: { getStatus: async () => refuse('no store') } }, 'the agent is not ready: no store'],
])('takes all back, here and in the cluster, when %s fails', slow, async (what, answers, message) => {
  const cluster = await managed({ forControlPlane: true, ...answers })
  const unwell: FakeHostOptions['answer'] = (_, program, args) =>
    what === 'the agent' && args.join(' ') === 'restart overlay-agent.service'
      ? { code: 1, stderr: 'the agent is not ready: no store' }
      : program === 'journalctl'
        ? {}
        : undefined
  const host = createFakeHost({ answer: unwell, ports: { controller: Number(cluster.controller.split(':')[1]) } })
  const { code, stderr } = await join(cluster, ['--control-plane', '--token', cluster.token], { host })
  expect(code).toBe(1)
  expect(stderr).toContain(message)
  expect(host.listing()).toEqual([])
  expect([...host.running, ...host.enabled]).toEqual([])
  const asks = cluster.calls.map(({ method }) => method)
  expect(asks.slice(-4)).toEqual(['security.get', 'controlPlane.removeMember', 'security.revoke', 'nodes.remove'])
})

it('takes its member out of etcd before it stops it, by its id: two with a vote need both', slow, async () => {
  const events: string[] = []
  const peerUrl = 'https://192.0.2.10:2380'
  const cluster = await managed({
    forControlPlane: true,
    agent: { getStatus: async () => refuse('no store') },
    security: {
      get: async () => ({ ...securityStatus, members: [member('host1'), { ...member(''), id: 'beef', peerUrl }] }),
    },
    controlPlane: {
      removeMember: async ({ name }) => {
        events.push(`remove ${name}`)
        return { members: [] }
      },
    },
  })
  const answer: FakeHostOptions['answer'] = (_, program, args) => {
    const [verb = ''] = args
    if (program === 'systemctl' && ['disable', 'restart'].includes(verb)) events.push(`${verb} ${args.at(-1)}`)
    if (args.join(' ') === 'restart overlay-agent.service') return { code: 1, stderr: 'no' }
    return undefined
  }
  const host = createFakeHost({ answer, ports: { controller: Number(cluster.controller.split(':')[1]) } })
  expect(await join(cluster, ['--control-plane', '--token', cluster.token], { host })).toMatchObject({ code: 1 })
  expect(events.slice(-4)).toEqual([
    'disable overlay-controller.service',
    'remove beef',
    'disable overlay-etcd-trust.path',
    'disable overlay-etcd.service',
  ])
})

it('joins by a name that the certificate does not have, at the address that it leads to', slow, async () => {
  const cluster = await managed({ hosts: ['127.0.0.1'] })
  const port = cluster.controller.split(':')[1]
  const line = ['cluster', 'join', `localhost:${port}`, '--advertise', '192.0.2.10', '--token', cluster.token]
  expect(await invoke(cluster, line, { host: createFakeHost() })).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`joining at 127.0.0.1:${port} as host1`),
  })
})

it('gives the controller of a host of the control plane what the others have', slow, async () => {
  const cluster = await managed({ forControlPlane: true })
  const host = createFakeHost({ ports: { controller: Number(cluster.controller.split(':')[1]) } })
  const flags = ['--pool', '10.7.0.0/16:24', '--certificate-life', '120', '--token', cluster.token]
  expect(await join(cluster, flags, { host })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--control-plane'),
  })
  expect(await join(cluster, ['--control-plane', ...flags], { host })).toMatchObject({ code: 0 })
  expect(config(host, paths.controllerConfig)).toMatchObject({ pool: ['10.7.0.0/16:24'], certificateLife: '120' })
})

function refuse(why: string): never {
  throw new OverlayError('internal', why)
}

describe('is refused, and changes nothing:', () => {
  it.each<[string, readonly string[], string]>([
    ['without a token', [], 'there is no token: give --token, --token-file or OVERLAY_TOKEN'],
    ['with half a token', ['--token', 'overlay1.5f0c2a9b'], 'it was cut off when it was copied'],
    ['with two', ['--token', 'a', '--token-file', '-'], 'not both'],
    ['with an unreadable file', ['--token-file', '/nowhere'], '--token-file /nowhere: cannot be read'],
    ['with an address of another host', ['--token', 'T', '--advertise', '192.0.2.99'], 'given more than once'],
    ['with a token for a node', ['--token', 'T', '--control-plane'], 'cluster token create --control-plane'],
  ])('%s', slow, async (_, flags, message) => {
    const cluster = await managed()
    const host = createFakeHost()
    const filled = flags.map((flag) => (flag === 'T' ? cluster.token : flag))
    const { code, stdout, stderr } = await join(cluster, filled, { host })
    expect(stderr).toContain(message)
    expect(code).toBeGreaterThan(0)
    expect(stdout).toBe('')
    expect(host.listing()).toEqual([])
    expect(host.running.size).toBe(0)
  })

  it('with a token for a person, which gives back what it got', slow, async () => {
    const cluster = await managed({ role: 'admin' })
    const host = createFakeHost()
    const { code, stderr } = await join(cluster, ['--token', cluster.token], { host })
    expect(code).toBe(1)
    expect(stderr).toContain('this token is for an admin, not for a host: with it a person logs in (cluster login)')
    expect(cluster.calls.map(({ method }) => method)).toEqual(['enrolment.join', 'security.revoke'])
    expect(host.listing()).toEqual([])
  })

  it('at an address that the certificate is not for, before the token is sent', slow, async () => {
    const cluster = await managed({ hosts: ['192.0.2.1', 'host1', 'localhost', '::1'] })
    const { code, stderr } = await join(cluster, ['--token', cluster.token])
    expect(code).toBe(1)
    expect(stderr).toContain(`at ${cluster.controller} is for 192.0.2.1, host1, and not for this address`)
    expect(cluster.calls).toEqual([])
  })

  it('by another authority, before the token is sent', slow, async () => {
    const [cluster, other] = [await managed(), await managed()]
    const { code, stderr } = await join(cluster, ['--token', other.token])
    expect(code).toBe(1)
    expect(stderr).toContain(`the controller at ${cluster.controller} is not the token's`)
    expect(cluster.calls).toEqual([])
  })

  it('by a token that the controller does not know, in its words and without the token', slow, async () => {
    const cluster = await managed()
    const wrong = cluster.token.replace(/\.[0-9a-f]{32}\./, `.${'0'.repeat(32)}.`)
    const { code, stderr } = await join(cluster, ['--token', wrong])
    expect(code).toBe(1)
    expect(stderr).toContain('the token is unknown, expired or used up')
    expect(stderr).not.toContain('0000')
  })

  it('by a program that is no controller, and by none', slow, async () => {
    const cluster = await managed()
    const server = createServer((socket) => socket.end('220 mail\r\n')).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const options = { host: createFakeHost() }
    const line = [
      'cluster',
      'join',
      `127.0.0.1:${port},127.0.0.1:1`,
      '--advertise',
      '192.0.2.10',
      '--token',
      cluster.token,
    ]
    const { code, stderr } = await invoke(cluster, line, options)
    server.close()
    expect(code).toBe(1)
    expect(stderr).toContain('it does not speak TLS 1.3')
    expect(stderr).toContain('127.0.0.1:1 (ECONNREFUSED): is overlay-controller running there?')
  })

  it('when the way to the controller does not tell how others reach this host', slow, async () => {
    const cluster = await managed()
    const line = ['cluster', 'join', cluster.controller, '--token', cluster.token]
    expect(await invoke(cluster, line, { host: createFakeHost() })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not tell by which address others reach this host'),
    })
  })
})

it('tells why an agent is not ready', slow, async () => {
  const states = [{ ...agentStatus, state: 'SYNCING' as const, reason: 'the store is away' }, agentStatus]
  const cluster = await managed({ agent: { getStatus: async () => states.shift() ?? agentStatus } })
  expect(await join(cluster, ['--token', cluster.token])).toMatchObject({ code: 0 })
  expect(states).toEqual([])
})
