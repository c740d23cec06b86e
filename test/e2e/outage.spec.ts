/** etcd is away for a minute: longer than every lease and timeout of the agents. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { startPinging } from '../lab/ping.ts'
import { until } from '../lab/until.ts'
import { attach } from './attach-calls.ts'
import { kernelState } from './kernel-state.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'
import { keysBelow } from './store-content.ts'
import { expectTraces } from './traces.ts'

/** Milliseconds. */
const outage = 60_000
const promised = 3_000

let lab: Lab
let h1: Host
let h2: Host

beforeAll(async () => {
  lab = await startedLab({ hosts: 2, agentFlags: ['--session-ttl', '5'] })
  h1 = lab.host(1)
  h2 = lab.host(2)
  await lab.overlayctlJson('create', 'web', '--subnet', '10.0.9.0/24')
})
afterAll(() => lab?.down())

/** What must not change by an outage: no node is registered anew, no endpoint renumbered. */
async function owned() {
  const keys = await Promise.all(['nodes/', 'endpoints/', 'addresses/'].map((path) => keysBelow(lab.etcd, path)))
  return keys.flat().map(({ path, value, createRevision }) => ({ path, value, createRevision }))
}

/** overlayctl's answer, and how long it took, in milliseconds; the start of overlayctl included. */
async function timed<T>(action: () => Promise<T>) {
  const started = performance.now()
  const output = await action()
  return { output, milliseconds: performance.now() - started }
}

test('traffic flows on; what needs the store is refused at once; all is made up for when it returns', async () => {
  showHostsOnFailure(lab)
  const [inA, inB, inC, inD] = await Promise.all(['a', 'b', 'c', 'd'].map((name) => lab.sandbox(name)))
  if (!inA || !inB || !inC || !inD) throw new Error('four sandboxes were asked for')
  const a = await attach('web', { host: h1, sandbox: inA })
  const b = await attach('web', { host: h1, sandbox: inB })
  const c = await attach('web', { host: h2, sandbox: inC })
  const before = { owned: await owned(), kernel: await kernelState(h2) }
  const pings = await Promise.all([startPinging(inA, c.addresses[0] ?? ''), startPinging(inC, a.addresses[0] ?? '')])

  await lab.etcd.kill()
  const away = performance.now()
  const refused = () => timed(() => h1.overlayctl('attach', 'web', '--netns', inD.path))
  const expectRefusal = ({ output, milliseconds }: Awaited<ReturnType<typeof refused>>) => {
    expect(output).toMatchObject({ exitCode: 1, stdout: '' })
    expect(output.stderr).toMatch(
      /^overlayctl: the store \(http:\S+\) cannot be reached.*\n?$|^overlayctl: no etcd answers at/,
    )
    expect(output.stderr).toContain(lab.etcd.url)
    expect(milliseconds).toBeLessThan(promised)
  }
  expectRefusal(await refused())

  const detached = await timed(() => h1.overlayctl('detach', b.id))
  expect(detached.output).toMatchObject({ exitCode: 0 })
  expect(detached.output.stderr).toContain('warning: the interface is gone, but its addresses are only released when')
  expect(detached.milliseconds).toBeLessThan(promised)
  expect(await inB.exec('ip -o link')).not.toContain('eth0')
  expect(await h1.exec('ip -o link')).not.toContain(b.id)
  expect(await h1.agent.status()).toMatchObject({ state: 'DISCONNECTED', openIntents: 1, localEndpointCount: 2 })

  await until(() => performance.now() - away > outage, { what: 'the outage', deadline: outage + 5_000, every: 500 })
  expectRefusal(await refused())
  await lab.etcd.start()

  const returned = performance.now()
  const d = await until(() => attach('web', { host: h1, sandbox: inD }), { what: 'an attach', deadline: promised })
  const recovery = performance.now() - returned
  expect(recovery).toBeLessThan(promised)
  await expectTraces(lab, 'web', [a, c, d])
  await until(async () => (await keysBelow(lab.etcd, 'sessions/')).length === 2, { what: 'the sessions to be back' })
  await Promise.all(lab.hosts.map(({ agent }) => agent.ready()))
  await until(() => lab.overlayctlJson('status'), { what: 'the controller to be well' })

  const counts = await Promise.all(pings.map((each) => each.stop()))
  expect(counts.map(({ lost }) => lost)).toEqual([[], []])
  for (const { sent } of counts) expect(sent).toBeGreaterThan(outage / 20)
  await inC.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', d.addresses[0] ?? ''])

  const mine = ({ path }: { path: string }) =>
    ![b, d].some(({ id, addresses }) => path.endsWith(id) || path.endsWith(`/${addresses[0]}`))
  expect((await owned()).filter(mine)).toEqual(before.owned.filter(mine))
  const foreign = (state: string) => state.split('\n').filter((line) => ![b, d].some(({ mac }) => line.includes(mac)))
  expect(foreign(await kernelState(h2))).toEqual(foreign(before.kernel))
})
