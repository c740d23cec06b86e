/** L1 and L2: more than can be worked on, and what is needed is away. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { churn } from '../../bench/churn.ts'
import { hostHoldings, storeHoldings } from '../../bench/holdings.ts'
import { coreShares } from '../../bench/process-cost.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import type { Sandbox } from '../../lab/sandbox.ts'
import { until } from '../../lab/until.ts'
import { type Attempt, accepted, attachAll, detachAll } from '../attach-calls.ts'
import { expectTraces } from '../traces.ts'
import type { Workload } from '../workload.ts'
import { inhabitedLab, mend, nth } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'

/** Calls at once: several times of what may wait. */
const storm = 2_000
/** So many times what is spent while a dependency is away, and a fraction of what a loop without waits takes. */
const mostShare = 0.25
/** Seconds. */
const watched = 5

let lab: Lab
let h1: Host
let pairs: readonly Pair[]
let residents: readonly Workload[]
let sandboxes: readonly Sandbox[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  residents = inhabited.workloads
  h1 = lab.host(1)
  pairs = [[nth(residents, 0), nth(residents, 1)]]
  sandboxes = await lab.sandboxes(Array.from({ length: 20 }, (_, n) => `s${n}`))
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

test('L1: of more attaches than can wait the rest are refused at once, told when to come back, and leave nothing', async () => {
  // A sandbox that is attached already is answered with what it has: few interfaces, many calls.
  const calls = Array.from({ length: storm }, (_, n) => ({ host: h1, sandbox: nth(sandboxes, n % sandboxes.length) }))
  let attempts: readonly Attempt[] = []
  const passages = await through(lab, 'L1 an agent is stormed', pairs, async () => {
    attempts = await attachAll('web', calls)
    expect((await h1.agent.status()).state).toBe('READY')
  })
  expectNoneLost(passages)
  const refused = attempts.flatMap(({ error }) => error ?? [])
  console.log(`L1: of ${storm} attaches at once ${storm - refused.length} were done, ${refused.length} refused`)
  expect(refused.length).toBeGreaterThan(100)
  expect(refused.length).toBeLessThan(storm - 400)
  for (const { code, message, retryAfter } of refused) {
    expect({ code, message }).toEqual({
      code: 'unavailable',
      message: expect.stringMatching(
        /^(500 calls wait for their turn in web on this host|.*takes no more for now): try again in \d\.\d s$/,
      ),
    })
    expect(retryAfter).toBeGreaterThan(1_000)
  }
  const first = new Map(accepted(attempts).map(({ host, endpoint }) => [endpoint.id, { host, endpoint }]))
  const endpoints = [...first.values()].map(({ endpoint }) => endpoint)
  await expectTraces(lab, 'web', [...residents.map(({ endpoint }) => endpoint), ...endpoints])
  await detachAll([...first.values()])
})

test('L1: endpoints that come and go leave nothing on the host, nor in the store', async () => {
  const churned = { networks: ['web'], sandboxes: sandboxes.slice(0, 6) }
  await churn(h1, churned, 30)
  // Addresses rest for longer than this test takes, and their leases with them.
  const held = async () => ({ ...(await hostHoldings(h1)), keys: (await storeHoldings(lab))['keys'] })
  const before = await held()
  await churn(h1, churned, 150)
  await expect.poll(held, { timeout: 20_000, interval: 200 }).toEqual(before)
})

test('L2: while etcd, or every controller, is away, nobody spins', async () => {
  const [controller] = lab.controllers
  if (!controller) throw new Error('the lab has no controller')
  const passages = await through(lab, 'L2 etcd and the controllers are away', pairs, async () => {
    await lab.etcd.kill()
    await until(async () => (await h1.agent.status()).state === 'DISCONNECTED', { what: 'the agent to notice' })
    await expectIdle('etcd is away', [h1.agent.pid, controller.pid])
    await lab.etcd.start()
    await Promise.all([h1.agent.ready(), controller.ready()])
    await controller.kill()
    await expectIdle('every controller is away', [h1.agent.pid])
    await controller.start()
  })
  expectNoneLost(passages)
})

/** By shares of a core, over some seconds. */
async function expectIdle(what: string, pids: readonly number[]): Promise<void> {
  const shares = await coreShares(pids, watched)
  console.log(`L2 ${what}: ${shares.map((share) => `${(share * 100).toFixed(1)} %`).join(' and ')} of a core`)
  for (const share of shares) expect(share).toBeLessThan(mostShare)
}
