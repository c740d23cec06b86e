import { afterEach, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { AgentStatus, ClusterStatus } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { agentStatus, clusterStatus } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())

/** Without the parts that differ from run to run. */
const stable = (text: string) =>
  text.replaceAll(cluster?.controller ?? '', 'CONTROLLER').replaceAll(cluster?.agent ?? '', 'SOCKET')

const nodes = `
NAME    STATUS                 VTEP        ENDPOINTS   VERSION   AGE
host1   ready                  192.0.2.1   1           0.1.0     1d
host2   unreachable, drained   192.0.2.2   2           0.1.0     1d
`

it('shows all at a glance', async () => {
  await start()
  const { code, stdout, stderr } = await invoke(cluster, ['status'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stable(stdout)).toBe(
    `Cluster:      c0ffee
Controller:   CONTROLLER answers, 1 controller in the cluster
Store:        healthy, revision 42, answers in 1.3 ms (http://127.0.0.1:2379)
Nodes:        1 ready, 1 UNREACHABLE: host2, 1 drained: host2
Networks:     2
Endpoints:    1
Agent:        ready, node host1, 1 network here, 1 local endpoint, 3 remote
${nodes}`,
  )
})

it('prints the messages as JSON', async () => {
  await start()
  const { stdout } = await invoke(cluster, ['status', '-o', 'json'])
  expect(JSON.parse(stdout)).toEqual({ ...ClusterStatus.toJson(clusterStatus), agent: AgentStatus.toJson(agentStatus) })
})

it('passes over an agent that is not there', async () => {
  await start()
  const { code, stdout } = await invoke(cluster, ['status', '--agent', '/nowhere/agent.sock'])
  expect(code).toBe(0)
  expect(stdout).toContain('Agent:        none on this host (no socket /nowhere/agent.sock)\n')
})

it('shows the agent when the controller is down', async () => {
  await start()
  const { code, stdout, stderr } = await invoke(cluster, ['status', '--controller', '127.0.0.1:1'])
  expect(code).toBe(1)
  expect(stdout).toBe(`Controller:   127.0.0.1:1 FAILED: does not answer
Agent:        ready, node host1, 1 network here, 1 local endpoint, 3 remote
`)
  expect(stderr).toMatch(
    /^overlayctl: cannot reach the controller at 127\.0\.0\.1:1 \(connection refused\): start overlay-controller.*\n$/,
  )
  const json = await invoke(cluster, ['status', '--controller', '127.0.0.1:1', '-o', 'json'])
  expect(json.code).toBe(1)
  expect(JSON.parse(json.stdout)).toEqual({ agent: AgentStatus.toJson(agentStatus) })
})

it('says that the store is down', async () => {
  const problem = 'no etcd answers at http://127.0.0.1:2379: start it'
  await start({
    clusters: {
      getStatus: async () =>
        ClusterStatus.create({ ...clusterStatus, store: { urls: ['http://127.0.0.1:2379'], problem }, nodes: [] }),
    },
    agent: {
      getStatus: async () =>
        AgentStatus.create({ ...agentStatus, state: 'DISCONNECTED', reason: 'no etcd answers', openIntents: 2 }),
    },
  })
  const { code, stdout, stderr } = await invoke(cluster, ['status'])
  expect(code).toBe(1)
  expect(stable(stdout)).toBe(`Cluster:      c0ffee
Controller:   CONTROLLER answers
Store:        FAILED: no etcd answers at http://127.0.0.1:2379: start it (http://127.0.0.1:2379)
Nodes:        unknown, without the store
Networks:     unknown, without the store
Endpoints:    unknown, without the store
Agent:        DISCONNECTED, node host1, 1 network here, 1 local endpoint, 3 remote, 2 open intents
Problem:      no etcd answers
`)
  expect(stderr).toBe(`overlayctl: the store is not healthy: ${problem}
overlayctl: the agent of this host is DISCONNECTED: no etcd answers
`)
})

it('shows what a controller refuses that can do nothing without the store', async () => {
  await start({
    clusters: {
      getStatus: async () => {
        throw new OverlayError('unavailable', 'no etcd answers')
      },
    },
  })
  const { code, stdout, stderr } = await invoke(cluster, ['status'])
  expect(code).toBe(1)
  expect(stable(stdout)).toContain('Controller:   CONTROLLER FAILED: no etcd answers\n')
  expect(stderr).toBe('overlayctl: no etcd answers\n')
})

it('lists what the agent could not bring about', async () => {
  await start({
    agent: { getStatus: async () => AgentStatus.create({ ...agentStatus, problems: ['link ovbr1: File exists'] }) },
  })
  expect((await invoke(cluster, ['status'])).stdout).toContain('Problem:      link ovbr1: File exists\n')
})

it('warns of what will hurt, which is no failure', async () => {
  const warnings = [
    'network web: 93 % of the addresses of 10.0.9.0/24 are used',
    'network db: 10.0.10.0/24 lies on a route',
  ]
  const warned = ClusterStatus.create({ ...clusterStatus, warnings })
  await start({ clusters: { getStatus: async () => warned } })
  const { code, stdout, stderr } = await invoke(cluster, ['status'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain(`Endpoints:    1
Warning:      network web: 93 % of the addresses of 10.0.9.0/24 are used
Warning:      network db: 10.0.10.0/24 lies on a route
Agent: `)
  expect(JSON.parse((await invoke(cluster, ['status', '-o', 'json'])).stdout)).toMatchObject({ warnings })
})

it('shows in wide who is the janitor, and the members of the store', async () => {
  const controllers = [{ id: 'ctl1', nodeGrace: 300 }, { id: 'ctl2' }]
  const members = [
    { name: 'm1', url: 'http://10.0.0.1:2379', leader: true },
    { name: 'm2', url: 'http://10.0.0.2:2379', problem: 'does not answer' },
  ]
  const several = ClusterStatus.create({
    ...clusterStatus,
    store: { ...clusterStatus.store, members },
    controllers,
    janitor: 'ctl1',
  })
  await start({ clusters: { getStatus: async () => several } })
  const { code, stdout } = await invoke(cluster, ['status', '-o', 'wide'])
  expect(code).toBe(0)
  expect(stdout).toContain(`
Etcd member:   m1 (http://10.0.0.1:2379), leader
Etcd member:   m2 (http://10.0.0.2:2379) FAILED: does not answer
Janitor:       ctl1, evicts nodes that are unreachable for 300 s (--node-grace 300)
`)
  expect((await invoke(cluster, ['status'])).stdout).not.toContain('Janitor')
})
