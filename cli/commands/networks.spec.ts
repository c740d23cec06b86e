import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { Network } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { db, web, webInFull } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string, answer?: string) => invoke(cluster, line.split(' '), answer === undefined ? {} : { answer })

const none: Answers = { networks: { list: async () => ({ networks: [], nextPageToken: '' }) } }

/** Refuses to remove or show `busy`. */
const busy: Answers = {
  networks: {
    remove: async ({ name }) => {
      if (name === 'busy') throw new OverlayError('failed_precondition', 'network busy has endpoints: detach 3f2a9c0d')
      return { network: { ...web, name }, detachedEndpoints: 0 }
    },
    get: async ({ name }) => {
      if (name === 'busy') throw new OverlayError('not_found', 'there is no network busy')
      return { ...web, name }
    },
  },
}

describe('inspect', () => {
  it('prints a sheet and the endpoints', async () => {
    await start()
    expect((await run('inspect web')).stdout).toBe(`Name:            web
UID:             7d1c6a5e000040008000000000000001
State:           ready
VNI:             1048576
Subnets:         10.0.9.0/24,fd00:9::/64
Gateways:        10.0.9.1,fd00:9::1
IP ranges:       -
Aux addresses:   -
MTU:             1450
Flags:           -
Labels:          a.b=c,team=shop
Options:         -
Created:         2026-03-01T10:00:00Z (1d ago)
Nodes:           host1
Endpoints:       1

SUBNET        USED   RESERVED   QUARANTINED   FREE     FULL
10.0.9.0/24   1      1          2             250      [#.........] 0.8 %
fd00:9::/64   1      1          0             1.8e19   [..........] 0 %

ID             NAME     NETWORK   NODE    ADDRESSES            MAC                 INTERFACE   AGE
3f2a9c0d1e2f   client   web       host1   10.0.9.7,fd00:9::7   02:11:22:33:44:55   eth0        1d
`)
  })

  it('prints an object for one name and a list for several', async () => {
    await start()
    const json = (name: string) => Network.toJson({ ...webInFull, name })
    expect(JSON.parse((await run('inspect web -o json')).stdout)).toEqual(json('web'))
    expect(JSON.parse((await run('inspect a b -o json')).stdout)).toEqual([json('a'), json('b')])
  })

  it('goes on past a name that fails', async () => {
    await start(busy)
    expect(await run('inspect a busy b -o name')).toEqual({
      code: 1,
      stdout: 'a\nb\n',
      stderr: 'overlayctl: there is no network busy\n',
    })
    expect(await run('inspect busy -o json')).toMatchObject({ code: 1, stdout: '' })
    expect(await run('inspect busy busy -o json')).toMatchObject({ code: 1, stdout: '[]\n' })
  })

  it('shows flags, ranges, warnings, and how to see the other endpoints', async () => {
    const [subnet] = web.subnets
    const network = Network.create({
      ...webInFull,
      subnets: [{ ...subnet, ipRange: '10.0.9.128/25', auxAddresses: { router: '10.0.9.2' } }],
      internal: true,
      allowOverlap: true,
      status: {
        ...webInFull.status,
        endpointCount: 1235,
        warnings: ['10.0.9.0/24: 90 % of the addresses are in use', 'route 10.0.0.0/8 of host2'],
      },
    })
    await start({ networks: { get: async () => network } })
    const { stdout } = await run('inspect web')
    for (const line of [
      'IP ranges:       10.0.9.128/25',
      'Aux addresses:   router=10.0.9.2',
      'Flags:           internal,allow-overlap',
      'Warning:         10.0.9.0/24: 90 % of the addresses are in use',
      'Warning:         route 10.0.0.0/8 of host2',
      'and 1234 more endpoints: see "overlayctl endpoint ls --network web"',
    ])
      expect(stdout.split('\n')).toContain(line)
  })
})

describe('rm', () => {
  it('goes on past a name that fails', async () => {
    await start(busy)
    expect(await run('rm a busy b')).toEqual({
      code: 1,
      stdout: 'removed network a\nremoved network b\n',
      stderr: 'overlayctl: network busy has endpoints: detach 3f2a9c0d\n',
    })
  })

  it('prints what was removed', async () => {
    await start()
    expect(JSON.parse((await run('rm a -o json')).stdout)).toEqual([
      Network.toJson({ ...web, name: 'a', status: null }),
    ])
    expect((await run('rm a b -o name')).stdout).toBe('a\nb\n')
  })

  it('detaches first when forced, and says how many', async () => {
    const { calls } = await start()
    expect(await run('rm --force web')).toEqual({
      code: 0,
      stdout: 'removed network web and detached 1 endpoint\n',
      stderr: '',
    })
    expect(calls).toEqual([{ method: 'networks.remove', request: { name: 'web', force: true } }])
  })

  it('stops at a controller that does not answer', async () => {
    const result = await invoke({ controller: '127.0.0.1:1', agent: '/nowhere' }, ['rm', 'a', 'b'])
    expect(result.code).toBe(1)
    expect(result.stderr.split('\n')).toHaveLength(2)
  })

  it('needs a name', async () => {
    expect(await run('rm')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'overlayctl: missing required argument \'name\' (see "overlayctl rm --help")\n',
    })
  })
})

describe('prune', () => {
  const removals = () =>
    cluster?.calls.filter(({ method }) => method === 'networks.remove').map(({ request }) => request)

  it('refuses where nobody can be asked', async () => {
    await start()
    expect(await run('prune')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'overlayctl: prune asks before it removes, and standard input is no terminal: give --yes to remove without a question\n',
    })
    expect(cluster?.calls).toEqual([])
  })

  it.each([
    ['prune --yes', undefined],
    ['prune', 'y'],
    ['prune', ' Yes '],
  ])('%s, answered %s, removes networks without endpoints', async (line, answer) => {
    await start()
    expect(await run(line, answer)).toEqual({ code: 0, stdout: 'removed network db\n', stderr: '' })
    expect(removals()).toEqual([{ name: db.uid, force: false }])
  })

  it.each(['', 'n', 'yesterday'])('answered "%s", removes nothing', async (answer) => {
    await start()
    expect(await run('prune', answer)).toEqual({ code: 1, stdout: '', stderr: 'nothing was removed\n' })
    expect(removals()).toEqual([])
  })

  it('asks the controller for those that fit', async () => {
    const { calls } = await start()
    await run('prune --yes --filter until=24h --filter label=team=shop')
    expect(calls[0]).toMatchObject({
      method: 'networks.list',
      request: { filters: ['until=24h', 'label=team=shop', 'dangling=true'] },
    })
  })

  it('takes only filters by label and time', async () => {
    const { code, stderr } = await run('prune --yes --filter name=web')
    expect([code, stderr]).toEqual([
      2,
      'overlayctl: --filter: "name=web" is no filter: use label=, until= (see "overlayctl prune --help")\n',
    ])
  })

  it('has nothing to do when all are in use', async () => {
    await start(none)
    expect(await run('prune --yes')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'nothing to prune: every network has endpoints\n',
    })
    expect((await run('prune --yes -o json')).stdout).toBe('[]\n')
  })
})
