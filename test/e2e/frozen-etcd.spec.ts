/** Attaches that are cut short, by a store that freezes or an agent that is killed: all or nothing remains. */
import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../lib/retry.ts'
import { Endpoint, type JsonObject } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { ping } from '../lab/ping.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { until } from '../lab/until.ts'
import { accepted, attach, attachAll, detachAll, type Workload } from './attach-calls.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'
import { keysBelow } from './store-content.ts'
import { expectTraces, traces, tracesOf } from './traces.ts'

/** Milliseconds. */
const answerLimit = 5_000

let lab: Lab
let h1: Host
let h2: Host
/** Attached on h2 all the time. */
let anchor: { sandbox: Sandbox; endpoint: Endpoint }
/** Ten on each host. */
let workloads: readonly Workload[]

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  h1 = lab.host(1)
  h2 = lab.host(2)
  await lab.overlayctlJson('create', 'web', '--subnet', '10.0.9.0/24')
  const sandbox = await lab.sandbox('anchor')
  anchor = { sandbox, endpoint: await attach('web', { host: h2, sandbox }) }
  const sandboxes = await lab.sandboxes(Array.from({ length: 20 }, (_, index) => `w${index}`))
  workloads = sandboxes.map((sandbox, index) => ({ sandbox, host: index % 2 ? h1 : h2 }))
})
afterAll(() => lab?.down())

const anchored = (endpoints: readonly Endpoint[]) => [anchor.endpoint, ...endpoints]

async function expectPings(endpoints: readonly Endpoint[]): Promise<void> {
  const answers = endpoints.map(({ addresses }) => ping(anchor.sandbox, addresses[0] ?? '', 2))
  expect(await Promise.all(answers)).toEqual(endpoints.map(() => true))
}

/** Starts the attaches, and `cut` once so many of them are answered and so many milliseconds have passed. */
async function cutShort(
  all: readonly Workload[],
  cut: () => Promise<unknown>,
  [answers, delay]: readonly [number, number],
) {
  const reached = new EventEmitter()
  const moment = answers > 0 && once(reached, String(answers))
  const calls = attachAll('web', all, (answered) => reached.emit(String(answered)))
  await moment
  if (delay > 0) await pause(delay)
  await cut()
  return calls
}

test.each([
  [0, 0],
  [0, 20],
  [1, 0],
  [4, 3],
  [9, 6],
] as const)('20 attaches are under way: %i answers and %i ms later etcd freezes', async (...moment) => {
  showHostsOnFailure(lab)
  const attempts = await cutShort(workloads, () => lab.etcd.freeze(), moment)
  await lab.etcd.thaw()
  const slowest = Math.max(...attempts.map(({ milliseconds }) => milliseconds))
  const done = accepted(attempts)
  console.log(`${done.length} of 20 attached, the last answer after ${slowest.toFixed()} ms`)
  expect(slowest).toBeLessThan(answerLimit)
  for (const { error } of attempts) if (error) expect(error.code).toBe('unavailable')

  const endpoints = done.map(({ endpoint }) => endpoint)
  await expectTraces(lab, 'web', anchored(endpoints))
  await expectPings(endpoints)
  for (const { sandbox } of attempts.filter(({ error }) => error))
    expect(await sandbox.exec('ip -o link')).not.toContain('eth0')
  await detachAll(done)
  await expectTraces(lab, 'web', anchored([]))
})

test.each([
  [0, 20],
  [1, 2],
  [3, 6],
  [6, 10],
] as const)('10 attaches are under way: %i answers and %i ms later the agent is killed', async (...moment) => {
  showHostsOnFailure(lab)
  const own = workloads.filter(({ host }) => host === h1)
  const attempts = await cutShort(own, () => h1.agent.kill(), moment)
  const answered = accepted(attempts).map(({ endpoint }) => endpoint.id)
  await h1.agent.start()

  const stored = async () =>
    (await keysBelow(lab.etcd, 'endpoints/web/')).map(({ value }) => Endpoint.fromJson(value as JsonObject))
  await until(
    async () => {
      // Every record has its interface, every interface its record, and nothing is unsettled.
      expect(await traces(lab, 'web')).toEqual(tracesOf(await stored()))
      return true
    },
    { what: 'store and kernel to agree', every: 100 },
  )
  const left = (await stored()).filter(({ id }) => id !== anchor.endpoint.id)
  console.log(`${answered.length} of 10 answered, ${left.length} are there after the restart`)
  expect(left.map(({ id }) => id)).toEqual(expect.arrayContaining(answered))
  await expectPings(left)
  // What was not answered may be asked for again.
  const again = accepted(await attachAll('web', own))
  expect(again).toHaveLength(own.length)
  await detachAll(again)
  await expectTraces(lab, 'web', anchored([]))
})
