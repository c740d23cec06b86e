import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { Verification } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string) => invoke(cluster, line.split(' '))
const asked = (method: string) => cluster?.calls.filter((call) => call.method === method).map(({ request }) => request)

const drifted = Verification.create({
  node: 'host2',
  revision: 42,
  objects: 12,
  deviations: [
    {
      kind: 'DIFFERENT',
      object: 'link ovbr1048576',
      network: 'web',
      wanted: ['mtu 1450'],
      found: ['mtu 1400'],
    },
    {
      kind: 'MISSING',
      object: 'fdb ovvx1048576 02:11:22:33:44:55',
      network: 'web',
      endpointId: '3f2a9c0d1e2f30415263748596a7b8c9',
      wanted: ['vtep 192.0.2.1'],
      obstacle: 'link ovvx1048576 exists and is not ours',
    },
    { kind: 'SURPLUS', object: 'link ovbr9', found: ['mtu 1500'], obstacle: 'the store is in doubt' },
  ],
})
const clean = Verification.create({ node: 'host1', revision: 42, objects: 12 })
/** host1 is clean, host2 is not, others are not there. */
const answers: Answers = {
  nodes: {
    verify: async ({ name }) => {
      if (name === 'host1') return clean
      if (name === 'host2') return drifted
      throw new OverlayError('unavailable', `the agent of node ${name} cannot be asked: it is not alive: start it`)
    },
  },
}

describe('verify', () => {
  it('is one line when all is as it should be', async () => {
    await start()
    expect(await run('verify')).toEqual({
      code: 0,
      stdout: '2 nodes, 24 objects: all as it should be\n',
      stderr: '',
    })
    expect(asked('nodes.verify')).toEqual([{ name: 'host1' }, { name: 'host2' }])
  })

  it('shows what differs as a diff', async () => {
    await start(answers)
    expect(await run('verify')).toEqual({
      code: 1,
      stdout: `--- host2 kernel
+++ host2 store
@@ link ovbr1048576 @@ different, network web
-mtu 1400
+mtu 1450
@@ fdb ovvx1048576 02:11:22:33:44:55 @@ missing, endpoint 3f2a9c0d1e2f of web
+vtep 192.0.2.1
 not mended: link ovvx1048576 exists and is not ours
@@ link ovbr9 @@ should not be
-mtu 1500
 not mended: the store is in doubt
`,
      stderr:
        'overlayctl: 3 objects on 1 node are not as the store says: see what the agent would do with "overlayctl plan --node host2"\n',
    })
  })

  it('counts what is not told one by one', async () => {
    await start({ nodes: { verify: async () => ({ ...drifted, more: 40 }) } })
    const { stdout, stderr } = await run('verify --node host2')
    expect(stdout).toMatch(/\n and 40 objects more\n$/)
    expect(stderr).toContain('43 objects on 1 node')
    expect((await run('plan --node host2')).stderr).toBe('and 40 objects more\n')
  })

  it('asks the nodes that are named, and names those that cannot be asked', async () => {
    await start(answers)
    expect(await run('verify --node host3 --node host1')).toEqual({
      code: 1,
      stdout: '1 node, 12 objects: all as it should be\n',
      stderr: 'overlayctl: the agent of node host3 cannot be asked: it is not alive: start it\n',
    })
  })

  it('is not content with an agent that is in doubt', async () => {
    await start({ nodes: { verify: async ({ name }) => ({ ...clean, node: name, held: 'history went back' }) } })
    expect(await run('verify --node host1')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'warning: node host1: history went back\n',
    })
  })

  it('tells of an endpoint that waits for its sandbox, which is no difference', async () => {
    const gone = 'endpoint web 3f2a: its sandbox /run/netns/c1 is gone; its addresses are released in 58 s'
    const verify = async () => ({ ...clean, awaited: [gone] })
    await start({ nodes: { verify }, agent: { verify } })
    expect(await run('verify --node host1')).toEqual({
      code: 0,
      stdout: '1 node, 12 objects: all else is as it should be\n',
      stderr: `warning: node host1: ${gone}\n`,
    })
    expect((await run('plan')).stderr).toBe(`warning: node host1: ${gone}\n`)
    expect(JSON.parse((await run('verify --local -o json')).stdout)).toMatchObject([{ awaited: [gone] }])
  })

  it('asks the local agent alone', async () => {
    await start()
    expect(await run('verify --local')).toMatchObject({
      code: 0,
      stdout: '1 node, 12 objects: all as it should be\n',
    })
    expect(asked('agent.verify')).toEqual([{}])
    expect(await run('verify --local --node host1')).toMatchObject({ code: 2 })
  })

  it('is a list of JSON, or names', async () => {
    await start(answers)
    expect(JSON.parse((await run('verify -o json')).stdout)).toEqual(
      [clean, drifted].map((one) => Verification.toJson(one)),
    )
    expect((await run('verify -o name')).stdout).toBe(`host2/link ovbr1048576
host2/fdb ovvx1048576 02:11:22:33:44:55
host2/link ovbr9
`)
    expect((await run('verify --node host1 -o yaml')).stdout).toContain('node: host1')
  })

  it('says once when no controller answers', async () => {
    const { code, stdout, stderr } = await invoke({ controller: '127.0.0.1:1', agent: '/nowhere' }, [
      'verify',
      '--node',
      'host1',
      '--node',
      'host2',
    ])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})

describe('plan', () => {
  it('tells that there is nothing to do', async () => {
    await start()
    expect(await run('plan')).toEqual({
      code: 0,
      stdout: 'nothing to do on node host1: 12 objects, all as it should be\n',
      stderr: '',
    })
    expect(asked('agent.verify')).toEqual([{}])
  })

  it('shows the operations of a node in their order', async () => {
    await start({ nodes: { verify: async () => ({ ...drifted, held: 'the store is in doubt' }) } })
    expect(await run('plan --node host2')).toEqual({
      code: 0,
      stdout: `OPERATION   OBJECT                              BECAUSE               OF                             HELD BACK
put         link ovbr1048576                    -mtu 1400 +mtu 1450   network web                    -
put         fdb ovvx1048576 02:11:22:33:44:55   missing               endpoint 3f2a9c0d1e2f of web   link ovvx1048576 exists and is not ours
delete      link ovbr9                          should not be         -                              the store is in doubt
`,
      stderr: 'warning: node host2: the store is in doubt\n',
    })
    expect(asked('nodes.verify')).toEqual([{ name: 'host2' }])
    expect(JSON.parse((await run('plan --node host2 -o json')).stdout)).toMatchObject({ node: 'host2', objects: 12 })
    expect((await run('plan --node host2 -o name')).stdout).toContain('host2/link ovbr9\n')
  })
})
