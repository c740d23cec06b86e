/** overlayctl against a real cluster of two hosts and two controllers. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { JsonObject } from '../../proto/index.ts'
import type { Lab } from '../lab/lab.ts'
import { program } from '../lab/program-path.ts'
import { until } from '../lab/until.ts'
import { badInputs } from './bad-inputs.ts'
import { childrenOf, isInhabited, namespaceOf } from './inhabited.ts'
import { startedLab } from './started-lab.ts'
import { keysBelow } from './store-content.ts'
import { attachWorkload, createNetwork, type Workload } from './workload.ts'

let lab: Lab
/** In `web`, on h1 and h2. */
let one: Workload, two: Workload

beforeAll(async () => {
  lab = await startedLab({ hosts: 2, controllers: 2 })
  await createNetwork(lab, 'web', '--subnet', '10.0.9.0/24')
  await createNetwork(lab, 'other', '--subnet', '10.0.10.0/24')
  ;[one, two] = await Promise.all([
    attachWorkload(lab, lab.host(1), 'web', 'taken'),
    attachWorkload(lab, lab.host(2), 'web', 'two'),
  ])
})
afterAll(() => lab?.down())

/** Every key as it was last written; addresses in quarantine are nobody's. */
async function store(): Promise<readonly string[]> {
  const keys = (await keysBelow(lab.etcd)).map(({ path, modRevision }) => `${path} ${modRevision}`)
  return keys.filter((key) => !key.startsWith('released/'))
}

const endpointsOf = async (network: string) => (await keysBelow(lab.etcd, `endpoints/${network}/`)).length

test('attach again gives the endpoint that is there', async () => {
  const before = await store()
  const args = ['attach', 'web', '--netns', one.sandbox.path, '-o', 'json']
  const { stdout, stderr, exitCode } = await one.host.overlayctl(...args)
  expect({ exitCode, endpoint: JSON.parse(stdout) }).toMatchObject({ exitCode: 0, endpoint: { id: one.endpoint.id } })
  expect(stderr).toMatch(/^it was attached already, as endpoint [0-9a-f]{12}$/)
  expect(await store()).toEqual(before)
})

test('-o json is the messages: a list for ls, an object for inspect, the endpoint for attach', async () => {
  const sandbox = await lab.sandbox('shapes')
  const endpoint = await one.host.overlayctlJson<JsonObject>(
    'attach',
    'web',
    '--netns',
    sandbox.path,
    '--ifname',
    'ov0',
  )
  const { id, mac, addresses } = endpoint
  expect(endpoint).toMatchObject({ network: 'web', node: 'h1', ifname: 'ov0', sandbox: { path: sandbox.path } })
  expect([id, mac, addresses]).toEqual([
    expect.stringMatching(/^[0-9a-f]{32}$/),
    expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
    [expect.stringMatching(/^10\.0\.9\.\d+$/)],
  ])
  const web = { name: 'web', mtu: 1450, subnets: [{ cidr: '10.0.9.0/24', gateway: '10.0.9.1' }], state: 'READY' }
  const networks = await lab.overlayctlJson<JsonObject[]>('ls')
  expect(networks).toMatchObject([{ name: 'other' }, { ...web, status: { endpointCount: 3 } }])
  const inspected = await lab.overlayctlJson<{ status: { endpoints: JsonObject[] } }>('inspect', 'web')
  expect(inspected).toMatchObject(web)
  expect(inspected.status.endpoints).toContainEqual(endpoint)
  expect(await lab.overlayctlJson('inspect', 'web', 'other')).toMatchObject([web, { name: 'other' }])
  expect(parse((await lab.overlayctl('inspect', 'web', '-o', 'yaml')).stdout)).toEqual(inspected)
  expect((await lab.overlayctl('ls', '-o', 'name')).stdout).toBe('other\nweb')
  expect((await one.host.overlayctl('detach', String(id), '-o', 'name')).stdout).toBe(id)
})

test('endpoints: listed by network and node, found by the beginning of the id', async () => {
  const ids = async (...flags: readonly string[]) =>
    (await lab.overlayctl('endpoint', 'ls', '-o', 'name', ...flags)).stdout.split('\n').toSorted()
  expect(await ids()).toEqual([one.endpoint.id, two.endpoint.id].toSorted())
  expect(await ids('--network', 'web', '--node', 'h2')).toEqual([two.endpoint.id])
  expect(await ids('--network', 'other')).toEqual([''])
  const found = await lab.overlayctlJson('endpoint', 'inspect', one.endpoint.id.slice(0, 12))
  expect(await lab.overlayctlJson('endpoint', 'ls', '--node', 'h1')).toEqual([found])
  expect(found).toMatchObject({ id: one.endpoint.id, name: 'taken' })
})

test('--node attaches and detaches on another host, by either controller', async () => {
  const sandbox = await lab.sandbox('far')
  for (const { address } of lab.controllers) {
    const on = ['--node', 'h2', '--controller', address]
    const endpoint = await lab.overlayctlJson('attach', 'web', '--netns', sandbox.path, ...on)
    expect(endpoint).toMatchObject({ node: 'h2', network: 'web' })
    expect(await sandbox.exec('ip -o -4 address show eth0')).toContain((endpoint as JsonObject)['addresses'] as string)
    expect(await lab.overlayctlJson('detach', 'web', '--netns', sandbox.path, ...on)).toEqual(endpoint)
    expect(await sandbox.exec('ip -o link')).not.toContain('eth0')
  }
})

test('create --wait returns when all live agents have it, and says so when one does not', async () => {
  expect(await createNetwork(lab, 'soon', '--wait')).toMatchObject({ name: 'soon', state: 'READY' })
  const { agent } = lab.host(2)
  await agent.freeze()
  const { exitCode, stderr } = await lab.overlayctl('create', 'late', '--wait', '--timeout', '1.5')
  await agent.thaw()
  expect(exitCode).toBe(1)
  expect(stderr).toContain('network late is stored, but not applied in time on h2')
  await lab.overlayctlJson('rm', 'soon', 'late')
})

test("run: the command's exit code, and nothing left of its namespace", async () => {
  const run = (command: string) => one.host.overlayctl('run', '--network', 'web', '--', 'sh', '-c', command)
  const { exitCode, stdout } = await run('readlink /proc/self/ns/net; ip -o -4 address show eth0; exit 7')
  expect(exitCode).toBe(7)
  expect(stdout).toMatch(/^net:\[\d+\]\n.* inet 10\.0\.9\.\d+\/24 /)
  expect(isInhabited(stdout.split('\n')[0] ?? '')).toBe(false)
  expect((await run('kill -TERM $$')).exitCode).toBe(143)
  expect(await endpointsOf('web')).toBe(2)
})

test('run: Ctrl-C leaves nothing, while the command runs or while it is being attached', async () => {
  const { agent } = one.host
  const start = async (name: string, children: number) => {
    const command = [process.execPath, program('overlayctl.cjs'), 'run', '--network', 'web', '--', 'sleep', '1000']
    const run = await one.host.spawn(name, command, { env: { OVERLAY_AGENT: agent.socket } })
    await until(() => childrenOf(run.pid).length === children, { what: `${name} to have ${children} children` })
    // A child begins in the host's namespace.
    const made = () =>
      childrenOf(run.pid)
        .map(namespaceOf)
        .find((namespace) => namespace !== namespaceOf(run.pid))
    return { run, namespace: await until(made, { what: `${name} to make its namespace` }) }
  }
  // The first child keeps the namespace, the second is the command.
  const running = await start('run', 2)
  await running.run.stop({ signal: 'SIGINT' })
  await agent.freeze()
  const attaching = await start('run-attaching', 1)
  process.kill(attaching.run.pid, 'SIGINT')
  await agent.thaw()
  await until(() => attaching.run.exit, { what: 'run to end', detail: () => attaching.run.logTail() })
  for (const { run, namespace } of [running, attaching]) {
    expect(run.exit?.code).toBe(130)
    await until(() => !isInhabited(namespace), { what: 'what kept the namespace to be gone' })
  }
  await until(async () => (await endpointsOf('web')) === 2, { what: 'the endpoints of run to be gone' })
})

test('what cannot be done is refused in one line, and changes nothing', async () => {
  const [busy, empty] = [await lab.sandbox('busy'), await lab.sandbox('empty')]
  await busy.exec('ip link add eth0 type veth peer name eth1')
  const { endpoint, address, sandbox, host } = one
  const inputs = badInputs({ address, id: endpoint.id, attached: sandbox.path, busy: busy.path, empty: empty.path })
  const before = await store()
  for (let at = 0; at < inputs.length; at += 4)
    await Promise.all(
      inputs.slice(at, at + 4).map(async ([args, exitCode, says]) => {
        const answer = await host.overlayctl(...args)
        const line = expect.stringMatching(new RegExp(`^overlayctl: [^\\n]*${says.source}[^\\n]*$`))
        expect.soft({ args, ...answer }).toEqual({ args, exitCode, stdout: '', stderr: line })
      }),
    )
  expect(await store()).toEqual(before)
  expect(await empty.exec('ip -o link')).not.toContain('eth')
  expect((await host.exec('ip -o link show type veth')).match(/: ove/g)).toHaveLength(1)
})

test('two controllers at once: the same answers, and of networks that overlap only one is made', async () => {
  const on = (index: number, ...args: readonly string[]) =>
    lab.overlayctl('--controller', lab.controllers[index]?.address ?? '', ...args)
  const race = (at: number) => on(at % 2, 'create', `race${at}`, '--subnet', `10.0.32.0/${21 + at}`)
  const answers = await Promise.all([0, 1, 2, 3].map(race))
  const refused = answers.filter(({ exitCode }) => exitCode === 1)
  expect(refused.length).toBe(3)
  for (const { stderr } of refused) expect(stderr).toMatch(/of network race\d: choose another subnet$/)
  const [first, second] = await Promise.all([on(0, 'ls', '-o', 'json'), on(1, 'ls', '-o', 'json')])
  expect(second).toEqual(first)
})

test('prune --yes removes the networks without endpoints, and only them', async () => {
  const { stdout } = await lab.overlayctl('prune', '--yes', '-o', 'name')
  expect(stdout.split('\n')).toEqual(['other', expect.stringMatching(/^race\d$/)])
  expect((await lab.overlayctl('ls', '-o', 'name')).stdout).toBe('web')
})

test('status and nodes: all is well; a node whose agent has ended can be removed, and comes back empty', async () => {
  const { host } = two
  const healthy = { store: { healthy: true }, networkCount: 1, endpointCount: 2, agent: { state: 'READY' } }
  const status = await one.host.overlayctlJson<{ controllers: unknown[] }>('status')
  expect(status).toMatchObject({ ...healthy, nodes: [{ name: 'h1' }, { name: 'h2', status: { live: true } }] })
  expect(status.controllers).toHaveLength(2)
  const h2 = { name: 'h2', vtepAddress: host.address, underlayMtu: 1500, status: { live: true, endpointCount: 1 } }
  expect(await lab.overlayctlJson('node', 'ls')).toMatchObject([{ name: 'h1' }, h2])
  expect(await lab.overlayctlJson('node', 'inspect', 'h2')).toMatchObject(h2)

  await host.agent.stop()
  await until(async () => (await keysBelow(lab.etcd, 'sessions/h2')).length === 0, { what: "h2's session to end" })
  expect((await lab.overlayctl('node', 'ls')).stdout).toMatch(/^h2 .*/m)
  expect((await lab.overlayctl('node', 'rm', 'h2')).stdout).toBe('removed node h2 and released 1 endpoint')
  expect((await keysBelow(lab.etcd)).filter(({ path }) => path.includes('h2'))).toEqual([])
  expect(await lab.overlayctlJson('endpoint', 'ls')).toMatchObject([{ id: one.endpoint.id }])
  await host.agent.start()
  await until(async () => !(await host.exec('ip -o link')).includes(': ov'), { what: 'h2 to sweep what it lost' })
})
