import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { OverlayError } from '../../lib/errors.ts'
import { Network } from '../../proto/index.ts'
import { type Answers, db, endpoint, type FakeCluster, startFakeCluster, web } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'

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
      return { network: { ...web, name } }
    },
    get: async ({ name }) => {
      if (name === 'busy') throw new OverlayError('not_found', 'there is no network busy')
      return { ...web, name }
    },
  },
}

describe('ls', () => {
  it('prints a table of all pages', async () => {
    await start()
    expect(await run('ls')).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME   VNI       SUBNETS                   MTU    ENDPOINTS   AGE
db     1048577   10.0.10.0/24              1450   0           3m20s
web    1048576   10.0.9.0/24,fd00:9::/64   1450   1           1d
`,
    })
  })

  it('prints more when wide', async () => {
    await start()
    expect((await run('ls -o wide')).stdout).toBe(
      `NAME   VNI       SUBNETS                   GATEWAYS             MTU    ENDPOINTS   AGE     LABELS            OPTIONS   UID
db     1048577   10.0.10.0/24              10.0.10.1            1450   0           3m20s   -                 -         7d1c6a5e-0000-4000-8000-000000000002
web    1048576   10.0.9.0/24,fd00:9::/64   10.0.9.1,fd00:9::1   1450   1           1d      a.b=c,team=shop   -         7d1c6a5e-0000-4000-8000-000000000001
`,
    )
  })

  it('prints JSON, YAML and names', async () => {
    await start()
    const expected = [Network.toJson(db), Network.toJson(web)]
    expect(JSON.parse((await run('ls -o json')).stdout)).toEqual(expected)
    expect(parse((await run('-o yaml ls')).stdout)).toEqual(expected)
    expect((await run('ls --output=name')).stdout).toBe('db\nweb\n')
  })

  it('hints at the first network when there is none', async () => {
    await start(none)
    expect(await run('ls')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no networks yet: make one with "overlayctl create --subnet 10.0.9.0/24 web"\n',
    })
    expect(await run('ls -o json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
    expect(await run('ls -o yaml')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
    expect(await run('ls -o name')).toEqual({ code: 0, stdout: '', stderr: '' })
  })
})

describe('inspect', () => {
  it('prints a sheet and the endpoints', async () => {
    await start()
    expect((await run('inspect web')).stdout).toBe(`Name:        web
UID:         7d1c6a5e-0000-4000-8000-000000000001
State:       ready
VNI:         1048576
Subnets:     10.0.9.0/24,fd00:9::/64
Gateways:    10.0.9.1,fd00:9::1
MTU:         1450
Labels:      a.b=c,team=shop
Options:     -
Created:     2026-03-01T10:00:00Z (1d ago)
Nodes:       host1
Endpoints:   1

ID             NAME     NETWORK   NODE    ADDRESSES            MAC                 INTERFACE   AGE
3f2a9c0d1e2f   client   web       host1   10.0.9.7,fd00:9::7   02:11:22:33:44:55   eth0        1d
`)
  })

  it('prints an object for one name and a list for several', async () => {
    await start()
    const json = (name: string) =>
      Network.toJson({ ...web, name, status: { endpointCount: 1, nodes: ['host1'], endpoints: [endpoint] } })
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
    expect(JSON.parse((await run('rm a -o json')).stdout)).toEqual([Network.toJson({ ...web, name: 'a' })])
    expect((await run('rm a b -o name')).stdout).toBe('a\nb\n')
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
    expect(removals()).toEqual([{ name: 'db' }])
  })

  it.each(['', 'n', 'yesterday'])('answered "%s", removes nothing', async (answer) => {
    await start()
    expect(await run('prune', answer)).toEqual({ code: 1, stdout: '', stderr: 'nothing was removed\n' })
    expect(removals()).toEqual([])
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
