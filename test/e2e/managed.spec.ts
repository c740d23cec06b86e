/** Certificates of a cluster that issues them itself, while workloads talk: renewed, of another authority, revoked. */
import { copyFileSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadPki, newKey } from '../../cli/cluster/pki.ts'
import type { RpcClient } from '../../lib/rpc-client.ts'
import {
  EnrolmentService,
  type Event,
  EventsService,
  type Identity,
  SecurityService,
  type SecurityStatus,
} from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Netns } from '../lab/netns.ts'
import { ping } from '../lab/ping.ts'
import { until } from '../lab/until.ts'
import { createManagedLab, type IdentityFiles, type ManagedLab } from './managed-lab.ts'
import { expectNoLoss } from './no-loss.ts'
import { showHostsOnFailure } from './started-lab.ts'

let cluster: ManagedLab
let h1: Host
let h2: Host
let second: IdentityFiles
/** Connected all the time. */
let admin: RpcClient
const sandboxes: Netns[] = []
const addresses: string[] = []
/** What a Watch that is open all the time has told, and how it ended. */
const events: Event[] = []
let watchEnd: unknown
const hangUp = new AbortController()

beforeAll(async () => {
  cluster = await createManagedLab(2)
  const { lab } = cluster
  ;[h1, h2] = [lab.host(1), lab.host(2)]
  ;[, second] = (await Promise.all([h1, h2].map((host) => cluster.join(host)))) as [IdentityFiles, IdentityFiles]
  admin = cluster.client(cluster.admin)
  const watch = async () => {
    const { signal } = hangUp
    for await (const event of admin.service(EventsService).watch({}, { signal })) events.push(event)
    throw new Error('the stream has ended')
  }
  watch().catch((error: unknown) => {
    if (!hangUp.signal.aborted) watchEnd = error
  })
  expect(await cluster.overlayctl('create', 'web', '--subnet', '10.0.9.0/24')).toMatchObject({ exitCode: 0 })
  for (const host of [h1, h2]) {
    const sandbox = await lab.sandbox(`c-${host.name}`)
    sandboxes.push(sandbox)
    addresses.push((await host.attach('web', sandbox)).addresses[0]?.split('/')[0] ?? '')
  }
})
afterAll(async () => {
  hangUp.abort()
  admin?.close()
  await cluster?.down()
})

/** With the files as they are now. */
async function security(): Promise<SecurityStatus> {
  const client = cluster.client(cluster.admin)
  try {
    return await client.service(SecurityService).get({})
  } finally {
    client.close()
  }
}
const routes = () => [[sandboxes[0] as Netns, addresses[1]] as const, [sandboxes[1] as Netns, addresses[0]] as const]
const hears = ({ role }: Identity) => role === 'node' || role === 'controller'
const detail = () => cluster.controller.logTail(40)

it('all are renewed under traffic, and nobody notices', async () => {
  showHostsOnFailure(cluster.lab)
  const before = new Map((await security()).identities.map(({ id, issuedAt }) => [id, issuedAt]))
  await expectNoLoss(routes(), async () => {
    const isRenewed = async () =>
      (await security()).identities.filter(hears).every(({ id, issuedAt }) => issuedAt !== before.get(id))
    await until(isRenewed, { what: 'all to be renewed', deadline: 40_000, every: 250, detail })
  })
  expect(watchEnd).toBeUndefined()
  expect((await h1.agent.status()).problems).toEqual([])
})

it('the authority is another one under traffic, etcd is started anew for it, and the old one goes', async () => {
  showHostsOnFailure(cluster.lab)
  const old = readFileSync(cluster.admin.ca, 'utf8')
  await expectNoLoss(routes(), async () => {
    expect(await cluster.overlayctl('cluster', 'certs', 'rotate-ca')).toMatchObject({ exitCode: 0 })
    const isOut = async () => {
      const { authorities, waitingFor } = await security()
      // A person's files are looked after when he uses them; now and then, if it is not said that he wants it.
      if (waitingFor.some((line) => line.startsWith('admin'))) await cluster.overlayctl('cluster', 'certs', 'renew')
      if (waitingFor.length > 0) throw new Error(waitingFor.join('; '))
      return authorities.map(({ state }) => state).join() === 'ACTIVE'
    }
    await until(isOut, { what: 'the old authority to be out', deadline: 60_000, every: 250, detail })
  })
  expect(readFileSync(cluster.admin.ca, 'utf8')).not.toBe(old)
  // For the new one, and without the old one.
  await until(() => cluster.restarts() === 2, { what: 'etcd to be started twice', deadline: 30_000, detail })
  const isBack = async () => (await cluster.overlayctl('ls')).exitCode === 0
  await until(isBack, { what: 'the store to be back', deadline: 20_000, detail })
  await h1.agent.ready()
  expect(watchEnd).toBeUndefined()
  const third = await cluster.lab.sandbox('c-after')
  const endpoint = await h1.attach('web', third, '--name', 'after')
  const isTold = () => events.some(({ endpoint: one }) => one?.id === endpoint.id)
  await until(isTold, { what: 'the watch to tell of it', detail: () => String(watchEnd) })
})

it('a removed node is out at once: its link, its renewals, its writes; its workloads as ADR 0019 says', async () => {
  showHostsOnFailure(cluster.lab)
  const kept = { ...second, cert: `${second.cert}.kept`, key: `${second.key}.kept`, ca: `${second.ca}.kept` }
  for (const file of ['cert', 'key', 'ca'] as const) copyFileSync(second[file], kept[file])
  const own = 'sessions/h2'
  expect(await cluster.etcdctl(kept, 'put', `/overlay/v1/${own}-other`, 'x')).not.toMatchObject({ exitCode: 0 })
  expect(await ping(sandboxes[0] as Netns, addresses[1] ?? '')).toBe(true)
  expect(await cluster.overlayctl('node', 'rm', '--force', 'h2')).toMatchObject({ exitCode: 0 })
  const asRemoved = cluster.client(kept)
  const { request } = await newKey(await loadPki())
  await expect(asRemoved.service(EnrolmentService).renew({ request })).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining('was revoked'),
  })
  asRemoved.close()
  for (const path of ['nodes/h2', own, 'endpoints/web/x'])
    expect(await cluster.etcdctl(kept, 'put', `/overlay/v1/${path}`, '{}')).not.toMatchObject({ exitCode: 0 })
  expect(await cluster.etcdctl(kept, 'get', '/overlay/v1/cluster')).not.toMatchObject({ exitCode: 0 })
  // It saw its record go: its workloads are taken down, as after each eviction.
  const links = () => h2.exec("ip -br link | grep -c '^ov' || true")
  await until(async () => (await links()).trim() === '0', {
    what: 'h2 to take down what it had',
    detail: () => h2.agent.logTail(),
  })
  expect(await ping(sandboxes[0] as Netns, addresses[1] ?? '')).toBe(false)
  const problems = async () => (await h2.agent.status()).problems.join('\n')
  await until(async () => /refuses this node: .*was revoked/.test(await problems()), {
    what: 'h2 to be told by the controller',
    detail: () => h2.agent.logTail(),
  })
  expect(await problems()).toMatch(/was removed from the cluster, and is not registered anew yet, because .*revoked/)
  expect(watchEnd).toBeUndefined()
})
