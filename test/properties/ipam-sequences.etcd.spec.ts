/**
 * Whatever several clients do at once, and wherever a program dies: afterwards
 * `ipam check` finds nothing, no address ever had two owners, and none is lost.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCluster } from '../../agent/testing/cluster.ts'
import type { Mishap } from '../../agent/testing/crashing.ts'
import { hasCode } from '../../lib/errors.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { createLedger, expectNothingLost, expectPluggedIn, type Ledger } from './ledger.ts'
import {
  type SimulatedCluster,
  type SimulatedController,
  type SimulatedHost,
  simulateCluster,
  untilSettled,
} from './simulated-cluster.ts'

/** Small, so that clients meet: networks overlap one another when they grow. One has both families. */
const networks = ['red', 'blue'] as const
const subnets = {
  red: [
    ['10.1.0.8/29', 'fd01::8/125'],
    ['10.1.0.0/28', 'fd01::/124'],
    ['10.1.0.0/27', 'fd01::/123'],
  ],
  blue: [['10.1.0.16/29'], ['10.1.0.16/28'], ['10.1.0.0/27']],
}

const network = fc.constantFrom(...networks)
/** Most do without. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const mishap: fc.Arbitrary<Mishap | undefined> = seldom(
  fc.record({
    steps: fc.integer({ min: 1, max: 6 }),
    kind: fc.constantFrom('before', 'done', 'late', 'unanswered'),
    lateBy: fc.integer({ min: 0, max: 60 }),
  }),
)
/** It may be another's, or only there once the network has grown. */
const wishes = fc.record({
  at: seldom(fc.record({ offset: fc.integer({ min: 1, max: 15 }), family: fc.constantFrom(4, 6) })),
  name: seldom(fc.constantFrom('db', 'www')),
  mac: seldom(fc.constantFrom('02:42:00:00:00:01', '02:42:00:00:00:02')),
})
const attach = fc.record({ network, wishes })
const hostStep = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('attach' as const),
      each: fc.array(attach, { minLength: 1, maxLength: 4 }),
      /** All at once into one sandbox, or each into its own. */
      together: fc.boolean(),
      mishap,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('detach' as const), which: fc.nat(5), mishap }) },
)
const controllerStep = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('create' as const), network, mishap }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('grow' as const), network, size: fc.integer({ min: 1, max: 2 }), mishap }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('resize' as const),
      network,
      mtu: fc.integer({ min: 1300, max: 1450 }),
      mishap,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), network, force: fc.boolean(), mishap }) },
)
const work = fc.record({
  hosts: fc.array(fc.array(hostStep, { minLength: 3, maxLength: 10 }), { minLength: 3, maxLength: 3 }),
  controllers: fc.array(fc.array(controllerStep, { minLength: 2, maxLength: 6 }), { minLength: 2, maxLength: 2 }),
})
type Work = typeof work extends fc.Arbitrary<infer T> ? T : never
type Attach = typeof attach extends fc.Arbitrary<infer T> ? T : never
type HostStep = Work['hosts'][number][number]
type ControllerStep = Work['controllers'][number][number]

let etcd: TestEtcd
beforeAll(async () => {
  etcd = await startEtcd()
})
afterAll(() => etcd.close())

// More, and others: FC_RUNS=200 FC_SEED=… npx vitest run --project parts test/properties
const runs = Number(process.env['FC_RUNS'] ?? 20)
const seed = Number(process.env['FC_SEED'] ?? 20_261)

test('clients at work all at once, programs that die: no address has two owners, and none is lost', {
  timeout: 15_000 * runs,
}, async () => {
  await fc.assert(fc.asyncProperty(work, play), { numRuns: runs, seed, endOnFailure: true })
})

async function play(plan: Work): Promise<void> {
  const cluster = await openCluster(etcd)
  const ledger = createLedger()
  const simulated = await simulateCluster(cluster, plan.hosts.length, (id) => ledger.giveUp(id))
  try {
    for (const name of networks) await simulated.controller().create(creation(name))
    await Promise.all([
      ...plan.hosts.map((steps, at) => hostAtWork(simulated.hosts[at] as SimulatedHost, steps, ledger)),
      ...plan.controllers.map((steps) => controllerAtWork(simulated, steps)),
    ])
    for (const host of simulated.hosts) {
      host.life.spare()
      await host.revive()
    }
    await simulated.aftermath()
    await untilSettled(simulated.hosts)
    expect(ledger.violations).toEqual([])
    expect((await simulated.controller().check()).findings).toEqual([])
    await expectNothingLost(cluster, ledger)
    await expectPluggedIn(cluster, simulated.hosts)
  } finally {
    await simulated.close()
    await cluster.close()
  }
}

async function hostAtWork(host: SimulatedHost, steps: readonly HostStep[], ledger: Ledger): Promise<void> {
  const mine: string[] = []
  let sandboxes = 0
  for (const step of steps) {
    await host.revive()
    if (step.mishap) host.life.befall(step.mishap)
    if (step.do === 'attach') {
      sandboxes++
      const attaching = step.each.map(async (wish) => {
        const sandbox = `${host.name}-${step.together ? sandboxes : ++sandboxes}`
        const answer = await unlessItDies(host, () => host.agent.attach(sandbox, requestOf(wish)))
        if (!answer?.endpoint) return
        ledger.given(answer.endpoint)
        if (!answer.alreadyAttached) mine.push(answer.endpoint.id)
      })
      await Promise.all(attaching)
    } else {
      const [id] = mine.splice(step.which % Math.max(1, mine.length), 1)
      if (id === undefined) continue
      ledger.giveUp(id)
      await unlessItDies(host, () => host.agent.detach({ endpointId: id }))
    }
  }
}

function requestOf({ network, wishes: { at, name, mac } }: Attach) {
  const base = { red: 0, blue: 16 }[network]
  const address =
    at && (at.family === 4 || network === 'blue' ? `10.1.0.${base + at.offset}` : `fd01::${at.offset.toString(16)}`)
  return { network, addresses: address === undefined ? [] : [address], name: name ?? '', mac: mac ?? '' }
}

async function controllerAtWork(simulated: SimulatedCluster, steps: readonly ControllerStep[]): Promise<void> {
  let controller = simulated.controller()
  for (const step of steps) {
    if (controller.life.isDead) controller = simulated.controller()
    if (step.mishap) controller.life.befall(step.mishap)
    await unlessItDies(controller, () => carryOut(controller, step))
  }
}

function carryOut(controller: SimulatedController, step: ControllerStep): Promise<void> {
  const { network } = step
  switch (step.do) {
    case 'create':
      return controller.create(creation(network))
    case 'grow':
      return controller.update({ name: network, subnets: subnetsOf(network, step.size) })
    case 'resize':
      return controller.update({ name: network, mtu: step.mtu })
    case 'remove':
      return controller.remove({ name: network, force: step.force })
  }
}

function creation(name: 'red' | 'blue') {
  return { name, subnets: subnetsOf(name, 0), mtu: 1400 }
}

function subnetsOf(name: 'red' | 'blue', size: number) {
  return (subnets[name][size] ?? []).map((cidr) => ({ cidr }))
}

/** A refusal is an answer; what is said to be internal is a fault of ours. */
async function unlessItDies<T>(
  { life }: { readonly life: SimulatedHost['life'] },
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return (await Promise.race([action(), life.death])) ?? undefined
  } catch (error) {
    if (hasCode(error, 'internal') || !(error instanceof Error)) throw error
    return undefined
  }
}
