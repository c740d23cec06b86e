/** Records that somebody else takes from the store: a hand with etcdctl, and `node rm`. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Endpoint } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { ping } from '../lab/ping.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { until } from '../lab/until.ts'
import { attach } from './attach-calls.ts'
import { expectHolding } from './holding.ts'
import { kernelState } from './kernel-state.ts'
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
