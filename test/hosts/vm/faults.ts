/** What happens to machines, and what the others must not notice. */
import assert from 'node:assert/strict'
import { ping } from '../../lab/ping.ts'
import { until } from '../../lab/until.ts'
import { overlayctlJson, untilNodesLive } from '../cluster.ts'
import { deadline, endpointIds, untilAllAnswer, untilAway } from './cluster-view.ts'
import type { Daemons } from './daemons.ts'
import type { Machines } from './machines.ts'
import { attachWorkload, detachWorkload, pingDuring, type Workload } from './workload.ts'

/** Machines with an endpoint each: a on the first, b on the second, c on the third. */
export interface Scene {
  readonly machines: Machines
  readonly daemons: Daemons
  readonly network: string
  readonly a: Workload
  readonly b: Workload
  readonly c: Workload
}

async function losesNothing(from: Workload, to: Workload, during: () => Promise<void>): Promise<void> {
  const { sent, lost } = await pingDuring(from, to, during)
  assert.deepEqual(lost, [], `${from.name} had no answer of ${to.name} to some of ${sent} requests`)
}

/** The third is cut off; what is attached meanwhile it learns afterwards. */
export async function cutOff({ machines, network, a, b, c }: Scene): Promise<void> {
  const [n1, n3] = [machines.machine(1), machines.machine(3)]
  const attached: Workload[] = []
  await losesNothing(a, b, async () => {
    await n3.setLink(false)
    await until(async () => !(await ping(a.sandbox, c.address)), { what: 'c not to answer', deadline })
    await untilAway(n1, n3.name)
    attached.push(await attachWorkload(n1, network, 'late'))
    await n3.setLink(true)
    await untilNodesLive(n1, machines.all, deadline)
  })
  await untilAllAnswer([a, b, c, ...attached])
  for (const late of attached) await detachWorkload(late)
}

/** The first controller dies; the second one serves. */
export async function killController({ machines, daemons, network, a, c }: Scene): Promise<void> {
  const [controller] = daemons.controllers
  await losesNothing(a, c, async () => {
    await controller?.stop('KILL')
    await detachWorkload(await attachWorkload(machines.machine(2), network, 'meanwhile'))
    assert.equal((await overlayctlJson<unknown[]>(machines.machine(3), 'ls')).length, 1)
    await controller?.start()
  })
}

/** The third loses its power, and boots again: the same node, whose namespaces and so endpoints went with the boot. */
export async function cutPower({ machines, daemons, network, a, b, c }: Scene): Promise<Workload> {
  const [n1, n3] = [machines.machine(1), machines.machine(3)]
  const { id } = c.endpoint
  await losesNothing(a, b, async () => {
    await n3.powerOff()
    await untilAway(n1, n3.name)
    // For all that is known, it may still be running.
    assert.ok((await endpointIds(n1, network)).includes(id), 'the address of a host that is away was released')
    await n3.start()
    await daemons.agents[2]?.start()
    await untilNodesLive(n1, machines.all, deadline)
  })
  const released = async () => !(await endpointIds(n1, network)).includes(id)
  await until(released, { what: 'c to be released', deadline, every: 1_000 })
  const again = await attachWorkload(n3, network, c.name)
  await untilAllAnswer([a, b, again])
  return again
}

/** The first, with etcd and a controller on it, boots anew. */
export async function rebootFirst({ machines, daemons, network, a, b, c }: Scene): Promise<Workload> {
  const [n1, n2] = [machines.machine(1), machines.machine(2)]
  await losesNothing(b, c, async () => {
    await n1.reboot()
    await daemons.etcd.start()
    await Promise.all([daemons.controllers[0]?.start(), daemons.agents[0]?.start()])
    await untilNodesLive(n2, machines.all, deadline)
  })
  const again = await attachWorkload(n1, network, a.name)
  await untilAllAnswer([again, b, c])
  return again
}
