/** What befalls a simulated host: workloads come, go, are killed and restarted; its node is removed; its agent dies. */
import fc from 'fast-check'
import type { Mishap } from '../../agent/testing/crashing.ts'
import { evict } from '../../controller/nodes/evict.ts'
import { removeNode } from '../../controller/nodes/remove.ts'
import { hasCode } from '../../lib/errors.ts'
import { RemoveNodeRequest } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { Ledger } from './ledger.ts'
import { type SimulatedHost, unlessItDies } from './simulated-cluster.ts'

export const networkNames = ['red', 'blue'] as const

const network = fc.constantFrom(...networkNames)
/** Most do without. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
export const mishap: fc.Arbitrary<Mishap | undefined> = seldom(
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
export const hostStep = fc.oneof(
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
  /** Its sandbox is gone, and stays so. */
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), which: fc.nat(5), mishap }) },
  /** Its sandbox is gone; another in its place is attached to the same networks. */
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const), which: fc.nat(5), mishap }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const), mishap }) },
)
export type HostStep = typeof hostStep extends fc.Arbitrary<infer T> ? T : never
type Attach = typeof attach extends fc.Arbitrary<infer T> ? T : never

/** What the host was told that it has. */
interface Workload {
  readonly id: string
  readonly sandbox: string
  readonly wish: Attach
}

export async function hostAtWork(
  store: Store,
  host: SimulatedHost,
  steps: readonly HostStep[],
  ledger: Ledger,
): Promise<void> {
  const mine: Workload[] = []
  let sandboxes = 0
  const attach = async (sandbox: string, wish: Attach) => {
    const answer = await unlessItDies(host, () => host.agent.attach(sandbox, requestOf(wish)))
    if (!answer?.endpoint) return
    const { id } = answer.endpoint
    ledger.given(answer.endpoint)
    if (!mine.some((workload) => workload.id === id)) mine.push({ id, sandbox, wish })
  }
  const pick = (which: number): Workload | undefined => mine[which % Math.max(1, mine.length)]
  /** With a time of grace all that it had stays its own. */
  const forget = (gone: readonly Workload[]) => {
    for (const workload of gone) {
      ledger.giveUp(workload.id)
      mine.splice(mine.indexOf(workload), 1)
    }
  }
  for (const step of steps) {
    await host.revive()
    if (step.mishap) host.life.befall(step.mishap)
    switch (step.do) {
      case 'attach': {
        sandboxes++
        const attaching = step.each.map((wish) =>
          attach(`${host.name}-${step.together ? sandboxes : ++sandboxes}`, wish),
        )
        await Promise.all(attaching)
        break
      }
      case 'detach': {
        const workload = pick(step.which)
        if (!workload) break
        forget([workload])
        await unlessItDies(host, () => host.agent.detach({ endpointId: workload.id }))
        break
      }
      case 'kill':
      case 'restart': {
        const { sandbox } = pick(step.which) ?? {}
        if (!sandbox) break
        const gone = mine.filter((workload) => workload.sandbox === sandbox)
        if (host.graceSeconds === 0) forget(gone)
        host.host.removeSandbox(sandbox)
        if (step.do === 'restart') await Promise.all(gone.map(({ wish }) => attach(sandbox, wish)))
        break
      }
      case 'evict':
        forget([...mine])
        await evictNode(store, host.name)
        break
    }
  }
}

function requestOf({ network, wishes: { at, name, mac } }: Attach) {
  const base = { red: 0, blue: 16 }[network]
  const address =
    at && (at.family === 4 || network === 'blue' ? `10.1.0.${base + at.offset}` : `fd01::${at.offset.toString(16)}`)
  return { network, addresses: address === undefined ? [] : [address], name: name ?? '', mac: mac ?? '' }
}

/** As the janitor does, and `node rm --force`. The agent may register anew at any time. */
async function evictNode(store: Store, name: string): Promise<void> {
  try {
    await removeNode(store, RemoveNodeRequest.create({ name, force: true }))
  } catch (error) {
    if (hasCode(error, 'internal') || !(error instanceof Error)) throw error
  }
}

/** What the janitor would come to: a node that is removed is emptied. */
export async function finishEvictions(store: Store, hosts: readonly SimulatedHost[]): Promise<void> {
  for (const { name } of hosts)
    await evict(store, name).catch((error: unknown) => {
      // It is registered, as it should be.
      if (!hasCode(error, 'conflict')) throw error
    })
}
