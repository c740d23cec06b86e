/** S1: sandboxes that vanish, and come back or do not. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Endpoint } from '../../../proto/index.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { namespaceOf } from '../inhabited.ts'
import { keysBelow } from '../store-content.ts'
import { expectTraces } from '../traces.ts'
import { attachWorkload, detachWorkload, type Workload } from '../workload.ts'
import { expectIpamClean, expectServes, inhabitedLab, mend, nth, shortLease } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'

/** Seconds; on h2. On h1 it is the usual minute: nothing is released there while a test looks. */
const grace = 3

let lab: Lab
let h1: Host
let h2: Host
let a: Workload
let b: Workload
let others: Pair

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  h1 = lab.host(1)
  h2 = lab.host(2)
  a = nth(inhabited.workloads, 0)
  b = nth(inhabited.workloads, 1)
  others = [a, b]
  await h2.agent.stop()
  await h2.agent.start({ flags: [...shortLease, '--sandbox-grace', String(grace)] })
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

/** Whoever has the address, as the store says it. */
const ownerOf = async (address: string) =>
  (await keysBelow(lab.etcd, `addresses/web/${address}`))[0]?.value['endpointId']

/** How the journal says that the endpoint's time ended. */
async function endOf({ id, addresses }: Endpoint) {
  const [address = ''] = addresses
  const found = await lab.overlayctlJson<readonly { tenure: { endpointId: string; end?: string } }[]>(
    'ipam',
    'history',
    '--ip',
    address,
  )
  return found.filter(({ tenure }) => tenure.endpointId === id).map(({ tenure }) => tenure.end)
}

/** The endpoint keeps its address as long as it is promised, and then leaves nothing. */
async function expectReleased(endpoint: Endpoint, vanish: () => Promise<unknown>): Promise<void> {
  const [address = ''] = endpoint.addresses
  const gone = performance.now()
  await vanish()
  await until(async () => (await ownerOf(address)) === undefined, {
    what: `${address} to be released`,
    deadline: 30_000,
    every: 50,
  })
  const kept = (performance.now() - gone) / 1_000
  console.log(`S1 ${address} was kept for ${kept.toFixed(1)} s, of ${grace} s`)
  expect(kept).toBeGreaterThan(grace)
  await expectTraces(lab, 'web', [a.endpoint, b.endpoint])
  expect(await endOf(endpoint)).toEqual(['VANISHED'])
}

test('S1 a namespace is deleted: its endpoint keeps its address for the grace, then all of it is released', async () => {
  const victim = await attachWorkload(lab, h2, 'web', 'victim')
  const passages = await through(lab, 'S1 namespace deleted', [others], async () => {
    await expectReleased(victim.endpoint, () => victim.sandbox.delete())
    await expectServes(lab, h2, a)
  })
  expectNoneLost(passages)
  await expectIpamClean(lab)
})

test('S1 a container is killed: likewise', async () => {
  const container = await h2.spawn('container', ['unshare', '--net', 'sleep', '600'])
  // The first ones are ours and the host's: it passes through them.
  const passed = [namespaceOf(process.pid), namespaceOf(h2.agent.pid)]
  await until(() => !passed.includes(namespaceOf(container.pid)), { what: 'the container to have its namespace' })
  const endpoint = await h2.overlayctlJson<Endpoint>('attach', 'web', '--pid', String(container.pid))
  const passages = await through(lab, 'S1 container killed', [others], async () => {
    await expectReleased(endpoint, () => container.kill())
    await expectServes(lab, h2, a)
  })
  expectNoneLost(passages)
  await expectIpamClean(lab)
})

test('S1 a namespace is deleted while the agent is away: it is noticed at its start', async () => {
  const victim = await attachWorkload(lab, h2, 'web', 'unseen')
  const passages = await through(lab, 'S1 namespace deleted, agent away', [others], async () => {
    await h2.agent.kill()
    await victim.sandbox.delete()
    await expectReleased(victim.endpoint, () => h2.agent.start())
  })
  expectNoneLost(passages)
})

test.each(['path', 'name'])(
  'S1 a sandbox of the same %s is attached within the grace: the same endpoint, address and MAC',
  async (by) => {
    const victim = await attachWorkload(lab, h1, 'web', `by-${by}`)
    const link = () => h1.exec(`ip -o link | grep ${victim.endpoint.id}; true`)
    const passages = await through(lab, `S1 sandbox made anew, same ${by}`, [others], async () => {
      await victim.sandbox.delete()
      await until(async () => (await link()) === '', { what: 'the interface to go' })
      expect(await ownerOf(victim.address)).toBe(victim.endpoint.id)
      const sandbox = await lab.sandbox(by === 'path' ? victim.name : `${victim.name}-anew`)
      const again = await h1.attach('web', sandbox, ...(by === 'name' ? ['--name', victim.name] : []))
      const { id, mac, addresses, name } = victim.endpoint
      expect(again).toMatchObject({ id, mac, addresses, name })
      await b.sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', victim.address])
      await expectTraces(lab, 'web', [a.endpoint, b.endpoint, again])
      await detachWorkload(victim)
      await sandbox.delete()
    })
    expectNoneLost(passages)
    await expectIpamClean(lab)
  },
)
