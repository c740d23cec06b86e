/** A store that answers, but is not the one that this host has lived with: nothing is swept. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Endpoint } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { ping } from '../lab/ping.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { until } from '../lab/until.ts'
import { attach, detachAll } from './attach-calls.ts'
import { expectHolding } from './holding.ts'
import { kernelState } from './kernel-state.ts'
import { expectNoLoss } from './no-loss.ts'
import { replaceContent, snapshot, snapshotOfAnother } from './replaced-store.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'
import { keysBelow, storedKey, storePrefix } from './store-content.ts'
import { expectTraces } from './traces.ts'

interface Member {
  readonly sandbox: Sandbox
  readonly endpoint: Endpoint
}

let lab: Lab
let h1: Host
let h2: Host
/** On h1 and on h2, all the time. */
let a: Member
let b: Member

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  h1 = lab.host(1)
  h2 = lab.host(2)
  await lab.overlayctlJson('create', 'web', '--subnet', '10.0.9.0/24')
  a = await member(h1)
  b = await member(h2)
})
afterAll(() => lab?.down())

async function member(host: Host): Promise<Member> {
  const sandbox = await lab.sandbox(`m${members++}`)
  return { sandbox, endpoint: await attach('web', { host, sandbox }) }
}

let members = 0

const reaches = (from: Member, to: Member) => ping(from.sandbox, to.endpoint.addresses[0] ?? '')

/** While `action` runs, a and b reach each other. */
function expectConnected(action: () => Promise<void>): Promise<void> {
  return expectNoLoss(
    [
      [a.sandbox, b.endpoint.addresses[0]],
      [b.sandbox, a.endpoint.addresses[0]],
    ],
    action,
  )
}

/** The same, and at the end of `action` the kernels are as before. */
async function expectUntouched(action: () => Promise<void>): Promise<void> {
  const before = await Promise.all([h1, h2].map(kernelState))
  await expectConnected(action)
  expect(await Promise.all([h1, h2].map(kernelState))).toEqual(before)
}

test('an agent is started with an empty etcd, or another prefix: it holds, and with the right one it is ready', async () => {
  showHostsOnFailure(lab)
  const empty = lab.addEtcd({ name: 'empty', port: 2479 })
  await empty.start()
  await expectUntouched(async () => {
    for (const flags of [
      ['--etcd', empty.url],
      ['--prefix', '/elsewhere/'],
    ]) {
      await h1.agent.kill()
      await h1.agent.start({ flags, deadline: 0 })
      await expectHolding(lab, h1, /holds no cluster.*check --etcd and --prefix/)
    }
    await h1.agent.kill()
    await h1.agent.start({})
    expect(await h1.agent.status()).toMatchObject({ state: 'READY', localEndpointCount: 1, remoteEndpointCount: 1 })
  })
  await empty.kill()
})

test('the store is replaced under running agents, by an empty one and by another: they hold until it is back', async () => {
  showHostsOnFailure(lab)
  const going = await member(h1)
  const right = await snapshot(lab, lab.etcd, 'right')
  const strange = await snapshotOfAnother(lab)
  await expectUntouched(async () => {
    await replaceContent(lab.etcd)
    for (const host of [h1, h2]) await expectHolding(lab, host, /holds no cluster/)
    await replaceContent(lab.etcd, strange)
    for (const host of [h1, h2]) await expectHolding(lab, host, /is that of cluster strange/)
    // Neither of them is told that these hosts were there.
    expect((await keysBelow(lab.etcd)).map(({ path }) => path)).not.toContain('nodes/h1')
  })
  const detached = await h1.overlayctl('detach', going.endpoint.id)
  expect(detached).toMatchObject({ exitCode: 0 })
  expect(detached.stderr).toContain('only released when the store is in order')
  expect(await going.sandbox.exec('ip -o link')).not.toContain('eth0')
  await expectConnected(async () => {
    await replaceContent(lab.etcd, right)
    for (const { agent } of [h1, h2]) await agent.ready()
    await expectTraces(lab, 'web', [a.endpoint, b.endpoint])
  })
  const again = await attach('web', { host: h1, sandbox: going.sandbox })
  expect(await h1.overlayctl('detach', again.id)).toMatchObject({ exitCode: 0 })
})

test('the store is set back to an older snapshot: the agents hold until someone says that it is meant so', async () => {
  showHostsOnFailure(lab)
  const old = await snapshot(lab, lab.etcd, 'old')
  const young = await member(h1)
  // More than what all write when the store returns, and seen by all: so they know that it went back.
  const passing = await lab.sandbox('passing')
  for (let turn = 0; turn < 10; turn++)
    await detachAll([{ host: h1, endpoint: await attach('web', { host: h1, sandbox: passing }) }])
  const right = await snapshot(lab, lab.etcd, 'young')
  await expectUntouched(async () => {
    await replaceContent(lab.etcd, old)
    for (const host of [h1, h2]) await expectHolding(lab, host, /restored from an older state.*cluster\.json/)
    await h1.agent.kill()
    await h1.agent.start({ deadline: 0 })
    await expectHolding(lab, h1, /restored from an older state.*cluster\.json/)
    await replaceContent(lab.etcd, right)
    // The evidence would go with the next writes: the doubt stays.
    for (const host of [h1, h2]) {
      await expectHolding(lab, host, /restored from an older state/)
      await host.agent.stop()
      await host.exec(['rm', join(host.agent.stateDirectory, 'cluster.json')])
      await host.agent.start()
    }
  })
  expect(await h1.overlayctl('detach', young.endpoint.id)).toMatchObject({ exitCode: 0 })
  await expectTraces(lab, 'web', [a.endpoint, b.endpoint])
})

test('the record of an endpoint that lives is deleted in etcd: it is kept, and told', async () => {
  showHostsOnFailure(lab)
  const victim = await member(h1)
  const { id } = victim.endpoint
  await until(async () => (await kernelState(h2)).includes(victim.endpoint.mac), { what: 'h2 to know the endpoint' })
  const before = await kernelState(h1)
  await lab.etcd.etcdctl('del', `${storePrefix}endpoints/web/${id}`)
  await expectHolding(lab, h1, new RegExp(`endpoint ${id} .*lives on this host.*overlayctl detach ${id}`))
  await h1.agent.kill()
  await h1.agent.start({ deadline: 0 })
  await expectHolding(lab, h1, new RegExp(`endpoint ${id} .*lives on this host`))
  expect(await kernelState(h1)).toBe(before)
  expect(await h1.overlayctl('detach', id)).toMatchObject({ exitCode: 0 })
  await h1.agent.ready()
  expect(await kernelState(h1)).not.toContain(victim.endpoint.mac)
  expect(await h1.agent.status()).toMatchObject({ state: 'READY', openIntents: 0 })
  // Whoever deletes a record by hand has to delete the rest of it, too.
  for (const { path, value } of await keysBelow(lab.etcd))
    if (path.endsWith(id) || value['endpointId'] === id) await lab.etcd.etcdctl('del', storePrefix + path)
})

test('a node that lives is removed by force: its endpoints go, it registers anew, and attaches again', async () => {
  showHostsOnFailure(lab)
  const node = await storedKey(lab.etcd, 'nodes/h2')
  const evicted = b
  await until(async () => (await keysBelow(lab.etcd, 'sessions/')).length === 2, { what: 'the sessions' })
  expect(await lab.overlayctl('node', 'rm', 'h2')).toMatchObject({ exitCode: 1 })
  expect(await lab.overlayctl('node', 'rm', '--force', 'h2')).toMatchObject({ exitCode: 0 })
  await until(async () => !(await h2.exec('ip -o link')).includes(': ov'), { what: 'the devices of h2 to go' })
  expect(await evicted.sandbox.exec('ip -o link')).not.toContain('eth0')
  b = {
    ...evicted,
    endpoint: await until(() => attach('web', { host: h2, sandbox: evicted.sandbox }), { what: 'attach' }),
  }
  await expectTraces(lab, 'web', [a.endpoint, b.endpoint])
  expect((await storedKey(lab.etcd, 'nodes/h2')).createRevision).toBeGreaterThan(node.createRevision)
  expect(await Promise.all([reaches(a, b), reaches(b, a)])).toEqual([true, true])
})
