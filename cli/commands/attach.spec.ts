import { resolve } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { AttachRequest, DetachRequest, Endpoint, type Init } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { endpoint } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string) => invoke(cluster, line.split(' '))

const attached: [line: string, to: 'agent' | 'endpoints', request: Init<AttachRequest>][] = [
  ['attach web --netns c1', 'agent', { network: 'web', netns: '/run/netns/c1' }],
  ['attach web --netns /proc/4711/ns/net', 'agent', { network: 'web', netns: '/proc/4711/ns/net' }],
  ['attach web --netns ./c1', 'agent', { network: 'web', netns: resolve('c1') }],
  ['attach --pid 4711 web', 'agent', { network: 'web', pid: 4711 }],
  ['attach web --netns c1 --node host2', 'endpoints', { network: 'web', netns: '/run/netns/c1', node: 'host2' }],
  [
    'attach web --netns c1 --name db --ip 10.0.9.7 --ip fd00::7 --ifname ov0 --label a=b',
    'agent',
    {
      network: 'web',
      netns: '/run/netns/c1',
      name: 'db',
      addresses: ['10.0.9.7', 'fd00::7'],
      ifname: 'ov0',
      labels: { a: 'b' },
    },
  ],
  ['attach web --netns c1 --ip6 fd00::7', 'agent', { network: 'web', netns: '/run/netns/c1', addresses: ['fd00::7'] }],
  [
    'attach web --netns c1 --ip6 fd00::7 --ip 10.0.9.7 --mac 02:42:0A:00:09:07 --gw-priority -500 --node host2',
    'endpoints',
    {
      network: 'web',
      netns: '/run/netns/c1',
      node: 'host2',
      addresses: ['10.0.9.7', 'fd00::7'],
      mac: '02:42:0A:00:09:07',
      gwPriority: -500,
    },
  ],
]

it.each(attached)('%s asks %s', async (line, to, request) => {
  await start()
  expect(await run(line)).toMatchObject({ code: 0, stderr: '' })
  expect(cluster?.calls).toEqual([{ method: `${to}.attach`, request: AttachRequest.create(request) }])
})

const detached: [line: string, to: 'agent' | 'endpoints', request: Init<DetachRequest>][] = [
  ['detach 3f2a9c', 'agent', { endpointId: '3f2a9c' }],
  ['detach 3f2a9c --node host2', 'endpoints', { endpointId: '3f2a9c', node: 'host2' }],
  ['detach client --network web', 'agent', { endpointId: 'client', network: 'web' }],
  ['detach web --netns c1', 'agent', { network: 'web', netns: '/run/netns/c1' }],
  ['detach web --pid 4711', 'agent', { network: 'web', pid: 4711 }],
  ['detach web --pid 4711 --node host2', 'endpoints', { network: 'web', pid: 4711, node: 'host2' }],
]

it.each(detached)('%s asks %s', async (line, to, request) => {
  await start()
  expect(await run(line)).toMatchObject({ code: 0, stderr: '' })
  expect(cluster?.calls).toEqual([{ method: `${to}.detach`, request: DetachRequest.create(request) }])
})

const refused: [line: string, message: string][] = [
  ['attach web', 'attach needs a sandbox: give --netns PATH or --pid N'],
  ['attach web --netns a --pid 1', '--netns and --pid both name the sandbox: give one of them'],
  ['detach web --netns a --pid 1', '--netns and --pid both name the sandbox: give one of them'],
  ['detach web --netns a --network web', '--network web: with --netns or --pid, web is the network: leave it out'],
  ['attach', 'missing required argument \'network\' (see "overlayctl attach --help")'],
  ['detach', 'missing required argument \'endpoint|network\' (see "overlayctl detach --help")'],
  ['attach web --pid 0', '--pid: "0" is not a whole number in range: 1 to 4194304'],
  ['attach web --pid -1', '--pid: "-1" is not a whole number in range: 1 to 4194304'],
  ['attach web --pid 4194305', '--pid: "4194305" is not a whole number in range: 1 to 4194304'],
  ['attach web --netns ..', '--netns: ".." is not a network namespace (for example c1 or /proc/4711/ns/net)'],
  ['attach web --netns a --ip 10.0.9.256', '--ip: "10.0.9.256" is not an IP address (for example 10.0.9.7 or fd00::7)'],
  [
    'attach web --netns a --ip 10.0.9.7 --ip 10.0.9.8',
    '--ip: an endpoint has at most one IPv4 and one IPv6 address, not 10.0.9.7, 10.0.9.8',
  ],
  [
    'attach web --netns a --ip fd00::7 --ip6 fd00::8',
    '--ip: an endpoint has at most one IPv4 and one IPv6 address, not fd00::7, fd00::8',
  ],
  ['attach web --netns a --ip6 10.0.9.7', '--ip6: "10.0.9.7" is not an IPv6 address (for example fd00::7)'],
  ['attach web --netns a --ip6 10.0.9', '--ip6: "10.0.9" is not an IPv6 address (for example fd00::7)'],
  [
    'attach web --netns a --mac 02:42:0a:00:09',
    '--mac: "02:42:0a:00:09" is not a MAC address (for example 02:42:0a:00:09:07)',
  ],
  ['attach web --netns a --gw-priority 501', '--gw-priority: 501 is out of range: from -500 to 500'],
  ['attach web --netns a --gw-priority -501', '--gw-priority: -501 is out of range: from -500 to 500'],
  ['attach web --netns a --ifname lo', '--ifname: "lo" is the loopback of every sandbox: choose another'],
  ['attach web --netns a --name=', '--name: must not be empty'],
  [
    'attach nope --netns nope --name A_ --ip foo --mac xx --gw-priority 900 --label =x --node N',
    [
      '--node: "N" is not a name: use 1 to 63 lower-case letters, digits and hyphens, a letter or digit first and last',
      '--label: "=x" is not KEY=VALUE (for example team=web)',
      '--name: "A_" is not a name: use 1 to 63 lower-case letters, digits and hyphens, a letter or digit first and last',
      '--ip: "foo" is not an IP address (for example 10.0.9.7 or fd00::7)',
      '--mac: "xx" is not a MAC address (for example 02:42:0a:00:09:07)',
      '--gw-priority: 900 is out of range: from -500 to 500',
    ].join('; '),
  ],
]

it.each(refused)('%s is wrong usage', async (line, message) => {
  expect(await invoke(undefined, line.split(' '))).toEqual({ code: 2, stdout: '', stderr: `overlayctl: ${message}\n` })
})

describe('prints the endpoint', () => {
  const table = `ID             NAME     NETWORK   NODE    ADDRESSES            MAC                 INTERFACE   AGE
3f2a9c0d1e2f   client   web       host1   10.0.9.7,fd00:9::7   02:11:22:33:44:55   eth0        1d
`

  it('as a table', async () => {
    await start()
    expect((await run('attach web --netns c1')).stdout).toBe(table)
    expect((await run('detach 3f2a9c')).stdout).toBe(table)
  })

  it('as JSON and as its id', async () => {
    await start()
    expect(JSON.parse((await run('attach web --netns c1 -o json')).stdout)).toEqual(Endpoint.toJson(endpoint))
    expect(JSON.parse((await run('detach 3f2a9c -o json')).stdout)).toEqual(Endpoint.toJson(endpoint))
    expect((await run('attach web --netns c1 -o name')).stdout).toBe(`${endpoint.id}\n`)
  })

  it('and says when it was there before', async () => {
    await start({ agent: { attach: async () => ({ endpoint, alreadyAttached: true }) } })
    expect(await run('attach web --netns c1')).toEqual({
      code: 0,
      stdout: table,
      stderr: 'it was attached already, as endpoint 3f2a9c0d1e2f\n',
    })
  })

  it('with what detach leaves to be done', async () => {
    await start({ agent: { detach: async () => ({ endpoint, warning: 'the store is away; released later' }) } })
    expect(await run('detach 3f2a9c -o name')).toEqual({
      code: 0,
      stdout: `${endpoint.id}\n`,
      stderr: 'warning: the store is away; released later\n',
    })
  })
})
