/** E1 and E2: all of etcd is away, for longer than every lease and timeout, or frozen. */
import { EventEmitter, once } from 'node:events'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../lib/retry.ts'
import type { Endpoint } from '../../../proto/index.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { ping } from '../../lab/ping.ts'
import type { Sandbox } from '../../lab/sandbox.ts'
import { until } from '../../lab/until.ts'
import { accepted, attach, attachAll, detachAll } from '../attach-calls.ts'
import { kernelState } from '../kernel-state.ts'
import { keysBelow } from '../store-content.ts'
import { expectTraces } from '../traces.ts'
import { attachWorkload, type Workload } from '../workload.ts'
import { expectIpamClean, inhabitedLab, mend, nth, owned } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'
import { within } from './within.ts'

/**
 * Milliseconds. A session is given up after 10 s, a controller's registration and
 * the janitor's office have 10 s, a connection without an answer ends after 15 s.
 */
const outage = 17_000
/** Milliseconds; until a refusal. */
const promised = 3_000
/** Milliseconds; until the answer to one whose transaction was under way. */
const answerLimit = 5_000

let lab: Lab
let h1: Host
let h2: Host
/** On h1 and on h2. */
let a: Workload
let c: Workload
let pairs: readonly Pair[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  h1 = lab.host(1)
  h2 = lab.host(2)
  a = nth(inhabited.workloads, 0)
  c = nth(inhabited.workloads, 1)
  pairs = [[a, c]]
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

/** overlayctl's answer, which must be a refusal that names the store, and soon; the start of overlayctl included. */
async function expectRefused(call: () => ReturnType<Lab['overlayctl']>): Promise<void> {
  const started = performance.now()
  const { exitCode, stdout, stderr } = await call()
  expect(performance.now() - started).toBeLessThan(2 * promised)
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
  expect(stderr).toMatch(/^overlayctl: (the store |no etcd answers at http:)/)
}

test.each([
  ['E1', 'away', 'kill', 'start'],
  ['E2', 'frozen', 'freeze', 'thaw'],
] as const)(
  '%s all of etcd is %s for longer than every lease: traffic goes on, the rest is refused, or made up for',
  async (line, word, begin, end) => {
    const b = await attachWorkload(lab, h1, 'web', `going-${line}`.toLowerCase())
    const inD = await lab.sandbox(`coming-${line}`)
    const before = { owned: await owned(lab), kernel: await kernelState(h2) }
    let d: Endpoint | undefined
    const passages = await through(lab, `${line} etcd ${word} for ${outage / 1_000} s`, pairs, async () => {
      await lab.etcd[begin]()
      const away = performance.now()
      const attachRefused = () => expectRefused(() => h1.overlayctl('attach', 'web', '--netns', inD.path))
      await attachRefused()
      await expectRefused(() => lab.overlayctl('create', 'refused'))

      const detached = await h1.overlayctl('detach', b.endpoint.id)
      expect(detached).toMatchObject({ exitCode: 0 })
      expect(detached.stderr).toContain('warning: the interface is gone, but its addresses are only released when')
      expect(await b.sandbox.exec('ip -o link')).not.toContain('eth0')
      expect(await h1.exec('ip -o link')).not.toContain(b.endpoint.id)
      expect(await h1.agent.status()).toMatchObject({ state: 'DISCONNECTED', localEndpointCount: 2 })

      await until(() => performance.now() - away > outage, { what: 'the outage', deadline: outage + 5_000, every: 500 })
      await attachRefused()
      await lab.etcd[end]()

      d = await within({ what: `${line} an attach succeeds`, seconds: 3 }, () =>
        attach('web', { host: h1, sandbox: inD }),
      )
      await expectTraces(lab, 'web', [a.endpoint, c.endpoint, d])
      await until(async () => (await keysBelow(lab.etcd, 'sessions/')).length === 2, {
        what: 'the sessions to be back',
      })
      await Promise.all(lab.hosts.map(({ agent }) => agent.ready()))
      await until(() => lab.overlayctlJson('status'), { what: 'the controller to be well' })
      await inD.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', c.address])
      await detachAll([{ host: h1, endpoint: d }])
    })
    expectNoneLost(passages)
    // Nothing is registered anew or renumbered, no network is there that was refused.
    const passing = [b.endpoint, d].flatMap((endpoint) => (endpoint ? [endpoint.id, ...endpoint.addresses] : []))
    const lasting = <T extends { path: string }>(keys: readonly T[]) =>
      keys.filter(({ path }) => !passing.some((text) => path.endsWith(`/${text}`)))
    expect(lasting(await owned(lab))).toEqual(lasting(before.owned))
    expect(await keysBelow(lab.etcd, 'networks/refused')).toEqual([])
    const foreign = (state: string) =>
      state.split('\n').filter((text) => !text.includes(b.endpoint.mac) && !text.includes(b.address))
    await until(async () => foreign(await kernelState(h2)).join() === foreign(before.kernel).join(), {
      what: 'the kernel of h2 to be as before',
    })
    await expectIpamClean(lab)
  },
)

/** Starts the attaches, and `cut` once so many of them are answered and so many milliseconds have passed. */
async function cutShort(
  all: readonly { host: Host; sandbox: Sandbox }[],
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

test('E2 etcd freezes at any moment of 20 attaches: what was refused and came through all the same is undone', async () => {
  const sandboxes = await lab.sandboxes(Array.from({ length: 20 }, (_, index) => `w${index}`))
  const all = sandboxes.map((sandbox, index) => ({ sandbox, host: index % 2 ? h1 : h2 }))
  const passages = await through(lab, 'E2 etcd frozen 5 times amid 20 attaches', pairs, async () => {
    for (const moment of [
      [0, 0],
      [0, 20],
      [1, 0],
      [4, 3],
      [9, 6],
    ] as const) {
      const attempts = await cutShort(all, () => lab.etcd.freeze(), moment)
      await lab.etcd.thaw()
      const slowest = Math.max(...attempts.map(({ milliseconds }) => milliseconds))
      const done = accepted(attempts)
      console.log(`E2 ${done.length} of 20 attached, the last answer after ${slowest.toFixed()} ms`)
      expect(slowest).toBeLessThan(answerLimit)
      for (const { error } of attempts) if (error) expect(error.code).toBe('unavailable')

      const endpoints = done.map(({ endpoint }) => endpoint)
      await expectTraces(lab, 'web', [a.endpoint, c.endpoint, ...endpoints])
      const answers = await Promise.all(endpoints.map(({ addresses }) => ping(c.sandbox, addresses[0] ?? '', 2)))
      expect(answers).toEqual(endpoints.map(() => true))
      for (const { sandbox } of attempts.filter(({ error }) => error))
        expect(await sandbox.exec('ip -o link')).not.toContain('eth0')
      await detachAll(done)
      await expectTraces(lab, 'web', [a.endpoint, c.endpoint])
    }
  })
  expectNoneLost(passages)
  await expectIpamClean(lab)
})
