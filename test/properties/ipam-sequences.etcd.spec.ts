/**
 * Whatever several clients do at once, and wherever a program dies: afterwards
 * `ipam check` finds nothing, no address ever had two owners, and none is lost.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCluster } from '../../agent/testing/cluster.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { finishEvictions, hostAtWork, hostStep, mishap, networkNames } from './host-at-work.ts'
import { createLedger, expectNothingLost, expectPluggedIn } from './ledger.ts'
import {
  type SimulatedCluster,
  type SimulatedController,
  type SimulatedHost,
  simulateCluster,
  unlessItDies,
  untilSettled,
} from './simulated-cluster.ts'

/** Small, so that clients meet: networks overlap one another when they grow. One has both families. */
const hostCount = 3
const subnets = {
  red: [
    ['10.1.0.8/29', 'fd01::8/125'],
    ['10.1.0.0/28', 'fd01::/124'],
    ['10.1.0.0/27', 'fd01::/123'],
  ],
  blue: [['10.1.0.16/29'], ['10.1.0.16/28'], ['10.1.0.0/27']],
}

const network = fc.constantFrom(...networkNames)
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
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('drain' as const),
      host: fc.integer({ min: 1, max: hostCount }),
      keep: fc.boolean(),
      mishap,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('undrain' as const),
      host: fc.integer({ min: 1, max: hostCount }),
      mishap,
    }),
  },
)
const work = fc.record({
  hosts: fc.array(fc.array(hostStep, { minLength: 3, maxLength: 10 }), { minLength: hostCount, maxLength: hostCount }),
  controllers: fc.array(fc.array(controllerStep, { minLength: 2, maxLength: 6 }), { minLength: 2, maxLength: 2 }),
})
type Work = typeof work extends fc.Arbitrary<infer T> ? T : never
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
    for (const name of networkNames) await simulated.controller().create(creation(name))
    await Promise.all([
      ...plan.hosts.map((steps, at) => hostAtWork(cluster.store, simulated.hosts[at] as SimulatedHost, steps, ledger)),
      ...plan.controllers.map((steps) => controllerAtWork(simulated, steps)),
    ])
    for (const host of simulated.hosts) {
      host.life.spare()
      await host.revive()
    }
    await simulated.aftermath()
    await finishEvictions(cluster.store, simulated.hosts)
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

async function controllerAtWork(simulated: SimulatedCluster, steps: readonly ControllerStep[]): Promise<void> {
  let controller = simulated.controller()
  for (const step of steps) {
    if (controller.life.isDead) controller = simulated.controller()
    if (step.mishap) controller.life.befall(step.mishap)
    await unlessItDies(controller, () => carryOut(controller, step))
  }
}

function carryOut(controller: SimulatedController, step: ControllerStep): Promise<void> {
  switch (step.do) {
    case 'create':
      return controller.create(creation(step.network))
    case 'grow':
      return controller.update({ name: step.network, subnets: subnetsOf(step.network, step.size) })
    case 'resize':
      return controller.update({ name: step.network, mtu: step.mtu })
    case 'remove':
      return controller.remove({ name: step.network, force: step.force })
    case 'drain':
      return controller.drain({ name: `host-${step.host}`, keepEndpoints: step.keep })
    case 'undrain':
      return controller.undrain({ name: `host-${step.host}` })
  }
}

function creation(name: 'red' | 'blue') {
  return { name, subnets: subnetsOf(name, 0), mtu: 1400 }
}

function subnetsOf(name: 'red' | 'blue', size: number) {
  return (subnets[name][size] ?? []).map((cidr) => ({ cidr }))
}
