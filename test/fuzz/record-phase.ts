/** Records at random in the store: passed over and told, and nothing else. */
import fc from 'fast-check'
import { mapParallel } from '../../lib/parallel.ts'
import { AgentService, ClustersService, type Endpoint, IpamService, NetworksService } from '../../proto/index.ts'
import { type Cluster, loggedLines } from './cluster.ts'
import { openGateway, type RawEtcd } from './etcd-gateway.ts'
import { type Junk, junk, unreadable } from './junk.ts'
import { figure, problem } from './report.ts'

export interface RecordPhaseOptions {
  readonly seed: number
  readonly records: number
}

const atOnce = 16
/** Lines that a daemon may log for each record: it may follow a range, list it, and try to use what it read. */
const linesOfRecord = 4
const freeLines = 200

/** A network whose own records are spoilt; what was known of them before stays. */
const spoilt = 'fuzz-a'
/** One that nothing is done to. */
const other = 'fuzz-b'

export async function fuzzRecords(cluster: Cluster, { seed, records }: RecordPhaseOptions): Promise<void> {
  const etcd = openGateway(cluster.facts.etcd)
  await cluster.reset()
  const attached = await listed(cluster)
  const before = new Map(
    (await etcd.below(cluster.store.keys.prefix)).map(({ key, value }) => [key.toString('hex'), value]),
  )
  const lines = loggedLines(cluster.facts.daemons)
  const all = [...invented(cluster, seed, records), ...(await spoiling(cluster, etcd, seed))]
  await mapParallel(all, atOnce, ({ key, value }) => etcd.put(key, value))
  await stillServes(cluster)
  const now = await listed(cluster)
  if (now.join() !== attached.join()) problem(`records: the agents had ${attached.join()}, and then ${now.join()}`)
  const { findings } = await cluster.controller.service(IpamService).check({})
  await mapParallel(all, atOnce, ({ key }) => {
    const original = before.get(key.toString('hex'))
    return original ? etcd.put(key, original) : etcd.remove(key)
  })
  await stillServes(cluster)
  const most = freeLines + linesOfRecord * all.length
  for (const [name, count] of loggedLines(cluster.facts.daemons)) {
    const logged = count - (lines.get(name) ?? 0)
    if (logged > most) problem(`records: ${name} has logged ${logged} lines about ${all.length} records`)
  }
  const faults = await cluster.faults()
  if (faults) problem(`records: when all was put right again: ${faults}`)
  await cluster.reset()
  figure(`records: ${all.length} put and taken away again; ipam check had ${findings.length} findings meanwhile`)
  await newerVersion(cluster, etcd)
}

function invented({ store, facts }: Cluster, seed: number, records: number): readonly Junk[] {
  const { prefix } = store.keys
  const anywhere = fc.sample(junk(prefix, spoilt, { onlyUnreadable: false }), { seed, numRuns: records })
  const beside = junk(prefix, facts.canary.network, { onlyUnreadable: true })
  const taken = new Set(['cluster', 'vni-cursor'].map((path) => prefix + path))
  return [...anywhere, ...fc.sample(beside, { seed, numRuns: Math.ceil(records / 4) })].filter(
    ({ key }) => !taken.has(key.toString()),
  )
}

/** Every record of one network, made unreadable. */
async function spoiling({ store }: Cluster, etcd: RawEtcd, seed: number): Promise<readonly Junk[]> {
  const keys = (await etcd.below(store.keys.prefix)).map(({ key }) => key)
  const own = keys.filter((key) => key.toString().includes(`/${spoilt}`) && !key.toString().includes('/placements/'))
  const values = fc.sample(unreadable, { seed, numRuns: own.length })
  return own.map((key, at) => ({ key, value: values[at] ?? Buffer.from('null') }))
}

async function listed({ agents }: Cluster): Promise<readonly string[]> {
  const lists = await Promise.all(agents.map(({ client }) => client.service(AgentService).list({})))
  return lists.flatMap(({ endpoints }) => endpoints.map(({ id }) => id)).toSorted()
}

/** Networks are made, listed and removed, and endpoints attached, as ever. */
async function stillServes({ controller, agents, facts }: Cluster): Promise<void> {
  const networks = controller.service(NetworksService)
  const attached: Endpoint[] = []
  for (const [at, { client }] of agents.entries()) {
    const { endpoint } = await client
      .service(AgentService)
      .attach({ network: other, netns: facts.targets[at + 2] ?? '' })
    if (endpoint) attached.push(endpoint)
  }
  for (const { node, id } of attached) {
    const agent = agents.find((one) => one.node === node)?.client
    await agent?.service(AgentService).detach({ endpointId: id })
  }
  await networks.create({ name: 'made-meanwhile', subnets: [{ cidr: '10.90.0.0/24' }], mtu: 1_400 })
  await networks.list({ withStatus: true })
  await networks.remove({ name: 'made-meanwhile' })
  await controller.service(ClustersService).getStatus({})
}

/** Fields and values of a version that is newer than ours survive what we write. */
async function newerVersion({ controller, store }: Cluster, etcd: RawEtcd): Promise<void> {
  const key = Buffer.from(store.keys.network(other).path)
  const record = JSON.parse((await etcd.get(key))?.toString() ?? '{}') as Record<string, unknown>
  const newer = { qos: { burst: 5 }, tags: ['a', null], state: 'FROZEN' }
  await etcd.put(key, Buffer.from(JSON.stringify({ ...record, ...newer })))
  await controller.service(NetworksService).update({ name: other, labels: { patched: 'yes' } })
  const after = JSON.parse((await etcd.get(key))?.toString() ?? '{}') as Record<string, unknown>
  for (const [field, value] of Object.entries({ ...newer, labels: { patched: 'yes' } }))
    if (JSON.stringify(after[field]) !== JSON.stringify(value))
      problem(
        `records: ${field} of a newer version was ${JSON.stringify(value)}, and is ${JSON.stringify(after[field])}`,
      )
}
