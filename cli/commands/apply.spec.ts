import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { OverlayError } from '../../lib/errors.ts'
import { CreateNetworkRequest, Network, UpdateNetworkRequest } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { db, web } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string, input: string) => invoke(cluster, line.split(' '), { input })

/** Of the fake cluster's networks db is so already, web gets another MTU, and news is not there. */
const manifest = `
name: db
subnets: [10.0.10.0/24]
---
name: web
mtu: 1400
---
name: news
subnets: [10.0.11.0/24]
`

/** Answers as the controller would. */
const answering: Answers = {
  networks: {
    create: async ({ name, subnets, dryRun }) => ({
      network: Network.create({ ...db, name, subnets, status: null }),
      revision: dryRun ? 0 : 50,
    }),
    update: async ({ mtu }) => ({
      network: { ...web, mtu: mtu || web.mtu, status: null },
      revision: 51,
      changed: mtu > 0,
    }),
  },
}

const refusing: Answers = {
  networks: {
    ...answering.networks,
    update: async () => {
      throw new OverlayError('failed_precondition', 'mtu: 1400 is more than h2 can carry')
    },
  },
}

const changes = () =>
  cluster?.calls.filter(({ method }) => method !== 'networks.list').map(({ method, request }) => [method, request])

const requests = (dryRun: boolean) => [
  ['networks.update', UpdateNetworkRequest.create({ name: 'web', mtu: 1400, dryRun })],
  ['networks.create', CreateNetworkRequest.create({ name: 'news', subnets: [{ cidr: '10.0.11.0/24' }], dryRun })],
]

describe('apply', () => {
  it('creates what is absent, updates what differs, and leaves the rest', async () => {
    await start(answering)
    expect(await run('apply -f -', manifest)).toEqual({
      code: 0,
      stdout: 'network db unchanged\nnetwork web updated\nnetwork news created\n',
      stderr: '',
    })
    expect(changes()).toEqual(requests(false))
  })

  it('changes nothing with --dry-run', async () => {
    await start(answering)
    expect((await run('apply --dry-run -f -', manifest)).stdout).toBe(
      'network db unchanged (dry run)\nnetwork web updated (dry run)\nnetwork news created (dry run)\n',
    )
    expect(changes()).toEqual(requests(true))
  })

  it('prints outcomes for programs, too', async () => {
    await start(answering)
    const expected = [
      { outcome: 'unchanged', network: { name: 'db' } },
      { outcome: 'updated', network: { name: 'web', mtu: 1400 } },
      { outcome: 'created', network: { name: 'news', subnets: [{ cidr: '10.0.11.0/24' }] } },
    ]
    expect(JSON.parse((await run('apply -f - -o json', manifest)).stdout)).toMatchObject(expected)
    expect(parse((await run('apply -f - -o yaml', manifest)).stdout)).toMatchObject(expected)
    expect((await run('apply -f - -o name', manifest)).stdout).toBe('db\nweb\nnews\n')
  })

  it('goes on past a network that is refused, by the controller or because it cannot be so', async () => {
    await start(refusing)
    expect(await run('apply -f -', manifest.replace('[10.0.10.0/24]', '[10.0.10.0/25]\ninternal: true'))).toEqual({
      code: 1,
      stdout: 'network news created\n',
      stderr: `overlayctl: network db: internal: is false and cannot become true; subnets: 10.0.10.0/24 can only grow, and 10.0.10.0/25 does not contain it: write it as it is, or remove the network ("overlayctl rm db") and apply again
overlayctl: network web: mtu: 1400 is more than h2 can carry
`,
    })
  })

  it('changes nothing when a file is wrong', async () => {
    const { calls } = await start(answering)
    expect(await run('apply -f - -f /nowhere/net.yaml', `${manifest}mtu: big\n---\nlabels: {}`)).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'overlayctl: --file: /nowhere/net.yaml: cannot be read: there is no such file; -, document 3 (news): mtu: "big" is not a whole number in range: 576, or 1280 with IPv6, to 65485; -, document 4: name: is missing\n',
    })
    expect(calls).toEqual([])
  })

  it('waits for each network, also one that is so already', async () => {
    await start(answering)
    expect((await run('apply -f - --wait', manifest)).code).toBe(0)
    expect(changes()?.filter(([method]) => method === 'networks.waitApplied')).toEqual(
      [
        ['db', 51],
        ['web', 51],
        ['news', 50],
      ].map(([network, revision]) => ['networks.waitApplied', { network, revision }]),
    )
  })

  it.each([
    ['apply', "required option '-f, --file <path>' not specified"],
    ['apply -f -f', '--file: -f: cannot be read: there is no such file'],
    ['apply -f', "option '-f, --file <path>' argument missing"],
    ['apply -f - --wait --dry-run', '--wait: with --dry-run there is nothing to wait for: leave one of them out'],
    ['apply web -f -', "too many arguments for 'apply'"],
  ])('%s is wrong usage', async (line, message) => {
    const { code, stderr } = await invoke(undefined, line.split(' '))
    expect(code).toBe(2)
    expect(stderr).toContain(`overlayctl: ${message}`)
  })
})

describe('diff', () => {
  it('shows what would change, by dry runs', async () => {
    await start(answering)
    expect(await run('diff -f -', manifest)).toEqual({
      code: 1,
      stdout: `~ network web
- mtu: 1450
+ mtu: 1400
+ network news
+ vni: 1048577 (chosen at creation)
+ IPv4 subnet: 10.0.11.0/24
+ mtu: 1450 (chosen at creation)
`,
      stderr: '',
    })
    expect(changes()).toEqual(requests(true))
  })

  it('says what the controller will choose', async () => {
    await start()
    const { stdout } = await run('diff -f -', '{name: news, vni: 1048576, subnets: [10.0.9.0/24]}')
    expect(stdout).toContain('+ vni: 1048576\n+ IPv4 subnet: 10.0.9.0/24\n')
    expect(stdout).toContain('+ IPv6 subnet: fd00:9::/64 (chosen at creation)\n')
  })

  it('has nothing to show when all is so, with exit code 0', async () => {
    await start(answering)
    expect(await run('diff -f -', 'name: db')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(await run('diff -f - -o json', 'name: db')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
  })

  it('passes on what would be refused, and shows the others', async () => {
    await start(refusing)
    const { code, stdout, stderr } = await run('diff -f -', manifest)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^\+ network news\n/)
    expect(stderr).toBe('overlayctl: network web: mtu: 1400 is more than h2 can carry\n')
  })

  it('prints both states for programs', async () => {
    await start(answering)
    const differing = JSON.parse((await run('diff -f - -o json', manifest)).stdout)
    expect(differing).toMatchObject([
      { outcome: 'updated', before: { name: 'web', mtu: 1450 }, after: { name: 'web', mtu: 1400 } },
      { outcome: 'created', after: { name: 'news' } },
    ])
    expect(differing[1]).not.toHaveProperty('before')
    expect((await run('diff -f - -o name', manifest)).stdout).toBe('web\nnews\n')
  })

  it('of a wrong file is wrong usage', async () => {
    const { code } = await run('diff -f -', 'mtu: 1400')
    expect(code).toBe(2)
  })
})
