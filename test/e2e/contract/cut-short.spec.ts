/** P2 and P4: programs that are killed at any moment of their work leave a whole, or nothing. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../lib/retry.ts'
import { Endpoint, type JsonObject } from '../../../proto/index.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import type { Sandbox } from '../../lab/sandbox.ts'
import { until } from '../../lab/until.ts'
import { accepted, attachAll, detachAll } from '../attach-calls.ts'
import { keysBelow, storePrefix } from '../store-content.ts'
import { traces, tracesOf } from '../traces.ts'
import type { Workload } from '../workload.ts'
import { expectIpamClean, inhabitedLab, mend, nth } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'

let lab: Lab
let h1: Host
let workloads: readonly Workload[]
let pairs: readonly Pair[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2 })
  lab = inhabited.lab
  h1 = lab.host(1)
  workloads = inhabited.workloads
  pairs = [[nth(workloads, 0), nth(workloads, 1)]]
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

/** Any moment, and the same ones each time: so many are done, and so many milliseconds have passed since. */
const moments = (seed: number, kills: number, mostDone: number) =>
  fc.sample(fc.record({ done: fc.integer({ min: 0, max: mostDone }), delay: fc.integer({ min: 0, max: 40 }) }), {
    seed,
    numRuns: kills,
  })

type Moment = ReturnType<typeof moments>[number]

/** Waits for it; `over` when nothing more will be done. */
async function reached({ done, delay }: Moment, count: () => number, over: () => boolean): Promise<void> {
  await until(() => count() >= done || over(), { what: `${done} to be done`, every: 1 })
  await pause(delay)
}

const stored = async () =>
  (await keysBelow(lab.etcd, 'endpoints/web/')).map(({ value }) => Endpoint.fromJson(value as JsonObject))

/** Every record has its interface, every interface its record, and nothing is unsettled. */
async function agreement(): Promise<readonly Endpoint[]> {
  return until(
    async () => {
      const endpoints = await stored()
      expect(await traces(lab, 'web')).toEqual(tracesOf(endpoints))
      return endpoints
    },
    { what: 'store and kernel to agree', every: 100 },
  )
}

test('P2 an agent is killed at any moment of attaches and detaches: each of them is whole or nothing', async () => {
  const anchors = workloads.map(({ endpoint }) => endpoint.id)
  const sandboxes = await lab.sandboxes(Array.from({ length: 8 }, (_, index) => `cut-${index}`))
  const tally = { attached: 0, attachedAll: 0, detached: 0, detachedAll: 0 }
  let present: readonly { sandbox: Sandbox; endpoint: Endpoint }[] = []
  /** Half of the sandboxes are being detached while the other half is being attached. */
  const round = async (moment: Moment) => {
    const going = present.slice(0, 4)
    const coming = sandboxes.filter((sandbox) => !present.some((each) => each.sandbox === sandbox)).slice(0, 4)
    let answered = 0
    let over = false
    const detaching = going.map(({ endpoint }) =>
      detachAll([{ host: h1, endpoint }]).then(
        () => Boolean(++answered),
        () => false,
      ),
    )
    const attaching = attachAll(
      'web',
      coming.map((sandbox) => ({ sandbox, host: h1 })),
      () => answered++,
    )
    const calls = Promise.all([attaching, ...detaching]).finally(() => (over = true))
    await reached(
      moment,
      () => answered,
      () => over,
    )
    await h1.agent.kill()
    const [attaches, ...detaches] = await calls
    await h1.agent.start()
    const endpoints = await agreement()
    const ids = endpoints.map(({ id }) => id)
    const attached = accepted(attaches).map(({ endpoint }) => endpoint.id)
    const gone = going.filter((_, at) => detaches[at]).map(({ endpoint }) => endpoint.id)
    expect(ids).toEqual(expect.arrayContaining([...anchors, ...attached]))
    expect(ids.filter((id) => gone.includes(id))).toEqual([])
    tally.attached += attached.length
    tally.attachedAll += coming.length
    tally.detached += gone.length
    tally.detachedAll += going.length
    present = endpoints.flatMap((endpoint) => {
      const sandbox = sandboxes.find(({ path }) => path === endpoint.sandbox?.path)
      return sandbox ? [{ sandbox, endpoint }] : []
    })
  }
  const kills = moments(1, 8, 6)
  const passages = await through(lab, `P2 agent killed ${kills.length} times amid its work`, pairs, async () => {
    for (const moment of kills) await round(moment)
  })
  console.log(
    `P2 answered before the kill: ${tally.attached} of ${tally.attachedAll} attaches, ${tally.detached} of ${tally.detachedAll} detaches`,
  )
  expectNoneLost(passages)
  // What was not answered may be asked for again.
  await detachAll(present.map(({ endpoint }) => ({ host: h1, endpoint })))
  const again = accepted(
    await attachAll(
      'web',
      sandboxes.map((sandbox) => ({ sandbox, host: h1 })),
    ),
  )
  expect(again).toHaveLength(sandboxes.length)
  await detachAll(again)
  await expectIpamClean(lab)
})

/** Ten networks, as they are created or as they are grown. */
function manifest(round: number, grown: boolean): string {
  return Array.from({ length: 10 }, (_, n) => {
    return `name: net-${round}-${n}\nsubnets: [10.${100 + round}.${n}.0/${grown ? 25 : 26}]\n`
  }).join('---\n')
}

/** Every network has its VNI and its gateways, and none of these is there without its network. */
async function expectWholeNetworks(): Promise<void> {
  const keys = await keysBelow(lab.etcd)
  const below = (kind: string) => keys.filter(({ path }) => path.startsWith(`${kind}/`))
  const networks = below('networks').map(({ path, value }) => ({ name: path.split('/')[1] ?? '', value }))
  const vnis = below('vnis').map(({ path, value }) => `${path.split('/')[1]} ${String(value['network'])}`)
  expect(vnis.toSorted()).toEqual(networks.map(({ name, value }) => `${String(value['vni'])} ${name}`).toSorted())
  const gateways = below('addresses')
    .filter(({ value }) => value['kind'] === 'GATEWAY')
    .map(({ path }) => path.split('/').slice(1).join(' '))
  const wanted = networks.flatMap(({ name, value }) =>
    (value['subnets'] as { gateway: string }[]).map(({ gateway }) => `${name} ${gateway}`),
  )
  expect(gateways.toSorted()).toEqual(wanted.toSorted())
}

test('P4 a controller is killed at any moment of creating and growing networks: each is there whole or not at all', async () => {
  const controller = nth(lab.controllers, 0)
  const file = join(lab.directory, 'networks.yaml')
  const apply = () => lab.overlayctl('apply', '-f', file)
  const watch = await lab.ctl.spawn(
    'watch',
    ['etcdctl', `--endpoints=${lab.etcd.url}`, 'watch', '--prefix', `${storePrefix}networks/`],
    { env: { ETCDCTL_API: '3' } },
  )
  const written = () => watch.logTail(Infinity).split('\nPUT\n').length - 1
  let done = 0
  const round = async (at: number, moment: Moment) => {
    await writeFile(file, manifest(Math.floor(at / 2), at % 2 === 1))
    const before = written()
    let over = false
    const call = apply().finally(() => (over = true))
    await reached(
      moment,
      () => written() - before,
      () => over,
    )
    await controller.kill()
    const { exitCode, stderr } = await call
    if (exitCode !== 0) expect(stderr).toContain('overlayctl: ')
    done += written() - before
    await expectWholeNetworks()
    await controller.start()
    // Said again, it finishes it.
    expect(await apply()).toMatchObject({ exitCode: 0, stderr: '' })
    await expectWholeNetworks()
  }
  const kills = moments(4, 6, 9)
  const passages = await through(lab, `P4 controller killed ${kills.length} times amid its work`, pairs, async () => {
    for (const [at, moment] of kills.entries()) await round(at, moment)
  })
  await watch.stop()
  console.log(`P4 done before the kill: ${done} of ${kills.length * 10} networks created or grown`)
  expectNoneLost(passages)
  await expectIpamClean(lab)
})
