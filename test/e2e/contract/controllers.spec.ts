/** P3, P5, P6 and E4: controllers and members of etcd of which there are several. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ClusterStatus, type JsonObject } from '../../../proto/index.ts'
import type { Controller } from '../../lab/controller.ts'
import type { Lab } from '../../lab/lab.ts'
import { until } from '../../lab/until.ts'
import { keysBelow, storePrefix } from '../store-content.ts'
import { attachWorkload, detachWorkload, type Workload } from '../workload.ts'
import { expectServes, inhabitedLab, mend, nth, owned } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'
import { type WatchedEvents, watchEvents } from './watched-events.ts'
import { within } from './within.ts'

let lab: Lab
/** On h1 and on h2. */
let workloads: readonly Workload[]
let pairs: readonly Pair[]
/** Told by the first controller, until it is gone. */
let events: WatchedEvents

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2, controllers: 2, etcdMembers: 3 })
  lab = inhabited.lab
  workloads = inhabited.workloads
  pairs = [[nth(workloads, 0), nth(workloads, 1)]]
  events = await watchEvents(lab, 'web')
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

const askAt = (addresses: readonly string[], ...words: readonly string[]) =>
  lab.host(1).overlayctl('--controller', addresses.join(), ...words)

const addressesOf = (all: readonly Controller[]) => all.map(({ address }) => address)

/** The controller that is the janitor, and the others. @throws Error while none is. */
async function janitor() {
  const [leader] = await keysBelow(nth(lab.etcdMembers, 0), 'leaders/janitor')
  const holder = lab.controllers.find(({ address }) => address === leader?.value['address'])
  if (!holder) throw new Error(`no controller of the lab holds leaders/janitor: ${JSON.stringify(leader?.value)}`)
  return { holder, others: lab.controllers.filter((each) => each !== holder) }
}

/** The addresses by which agents find controllers. */
const registered = async () =>
  (await keysBelow(nth(lab.etcdMembers, 0), 'controllers/')).map(({ value }) => value['address'])

/** What a `node rm` that died in its midst leaves: an endpoint on a node that is no more. */
async function leaveEndpointOf(node: string): Promise<() => Promise<boolean>> {
  const store = nth(lab.etcdMembers, 0)
  const host = lab.host(2)
  const model = await attachWorkload(lab, host, 'web', `of-${node}`)
  const { id } = model.endpoint
  const copies = (await keysBelow(store)).filter(({ path, value }) =>
    /^(endpoints|placements)/.test(path)
      ? path.endsWith(id)
      : path.startsWith('addresses/') && value['endpointId'] === id,
  )
  await detachWorkload(model)
  const left = copies.map(({ path, value }) => ({
    path: path.replace(`placements/${host.name}/`, `placements/${node}/`),
    value: path.startsWith('endpoints/') ? { ...value, node } : value,
  }))
  for (const { path, value } of left) await store.etcdctl('put', storePrefix + path, JSON.stringify(value))
  return async () => !(await keysBelow(store)).some(({ path }) => left.some((each) => each.path === path))
}

/** Somebody who watched the controller that is gone is told again of what happens. */
async function toldByAnother(label: string): Promise<void> {
  const isTold = () => events.all().some(({ network }) => network?.labels[label] !== undefined)
  let changes = 0
  const change = async () => {
    const told = await askAt(addressesOf(lab.controllers), 'update', 'web', '--label', `${label}=${changes++}`)
    expect(told).toMatchObject({ exitCode: 0 })
    return isTold()
  }
  await until(change, { what: 'events of the other controller', every: 200 })
}

const janitorSoon = () => until(janitor, { what: 'a janitor', deadline: 40_000, every: 200 })

test.each([
  ['killed', 'kill'],
  ['stopped', 'stop'],
] as const)('P3 a controller is %s: the other one serves, and overlayctl asks it', async (word, how) => {
  const [first, second] = [nth(lab.controllers, 0), nth(lab.controllers, 1)]
  const before = await owned(lab)
  const passages = await through(lab, `P3 controller ${word}`, pairs, async () => {
    await first[how]()
    await toldByAnother(`events-${how}`)
    const refused = await askAt([first.address], 'ls')
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain(first.address)
    expect(await askAt(addressesOf([first, second]), 'create', `by-${how}`)).toMatchObject({ exitCode: 0 })
    await expectServes(lab, lab.host(1), nth(workloads, 1))
    // Both kinds of work go through the one that is left: what asks a host, too.
    const sandbox = await lab.sandbox(`guest-of-${how}`)
    const attach = ['-o', 'name', 'attach', `by-${how}`, '--netns', sandbox.path, '--node', 'h2']
    const { stdout: id, ...answer } = await askAt(addressesOf([first, second]), ...attach)
    expect(answer).toMatchObject({ exitCode: 0 })
    expect(await askAt([second.address], 'detach', id.trim(), '--node', 'h2')).toMatchObject({ exitCode: 0 })
    await first.start()
    await sandbox.delete()
  })
  expectNoneLost(passages)
  // The agents have dialled it again, and it does the same work.
  await until(async () => (await askAt([first.address], 'rm', `by-${how}`)).exitCode === 0, { what: 'rm' })
  expect(await owned(lab)).toEqual(before)
})

test('P5 the janitor is killed: another controller cleans up after removed nodes', async () => {
  const { holder, others } = await janitorSoon()
  const passages = await through(lab, 'P5 janitor killed', pairs, async () => {
    await holder.kill()
    const since = performance.now()
    const isClean = await leaveEndpointOf('removed')
    await within({ what: 'P5 another controller is the janitor', seconds: 10, since }, async () =>
      expect((await janitor()).holder.address).toBe(others[0]?.address),
    )
    await within({ what: 'P5 what a removed node left is gone', seconds: 10, since }, async () =>
      expect(await isClean()).toBe(true),
    )
    await holder.start()
  })
  expectNoneLost(passages)
})

test('P6 the controller that is the janitor is frozen past its lease, and goes on: the office moves, both serve', async () => {
  const { holder, others } = await janitorSoon()
  const before = await owned(lab)
  const passages = await through(lab, 'P6 controller frozen past its lease', pairs, async () => {
    await holder.freeze()
    const since = performance.now()
    expect(await askAt([holder.address], '--timeout', '1', 'ls')).toMatchObject({ exitCode: 1 })
    expect(await askAt(addressesOf([holder, ...others]), '--timeout', '4', 'ls')).toMatchObject({ exitCode: 0 })
    await within({ what: 'P6 the office has moved', seconds: 10, since }, async () =>
      expect((await janitor()).holder.address).toBe(others[0]?.address),
    )
    await until(async () => (await registered()).join() === addressesOf(others).join(), {
      what: 'the lease of the frozen controller to run out',
      deadline: 40_000,
      every: 200,
    })
    await holder.thaw()
    await within({ what: 'P6 the thawed controller serves', seconds: 5 }, async () => {
      expect(await askAt([holder.address], 'status')).toMatchObject({ exitCode: 0 })
      expect(await registered()).toHaveLength(lab.controllers.length)
    })
    // It knows that it is the janitor no more.
    expect((await janitor()).holder.address).toBe(others[0]?.address)
  })
  expectNoneLost(passages)
  expect(await owned(lab)).toEqual(before)
})

const storeStatus = async () => ClusterStatus.fromJson(await lab.overlayctlJson<JsonObject>('status')).store

test('E4 one of three members of etcd is gone: everything goes on, and status names it', async () => {
  const before = await owned(lab)
  const follower = (await storeStatus())?.members.find(({ leader }) => !leader)
  const member = nth(
    lab.etcdMembers.filter(({ url }) => url === follower?.url),
    0,
  )
  const passages = await through(lab, `E4 ${member.name} killed`, pairs, async () => {
    await member.kill()
    await expectServes(lab, lab.host(1), nth(workloads, 1))
    await lab.overlayctlJson('create', '--wait', 'meanwhile')
    await lab.overlayctlJson('rm', 'meanwhile')
    const store = await storeStatus()
    expect(store).toMatchObject({ healthy: true })
    expect(store?.members.filter(({ problem }) => problem).map(({ url }) => url)).toEqual([member.url])
    const { stdout, exitCode } = await lab.overlayctl('status')
    expect(exitCode).toBe(0)
    expect(stdout).toContain(member.name)
    await member.start()
    await within({ what: `E4 ${member.name} is well again`, seconds: 3 }, async () =>
      expect((await storeStatus())?.members.map(({ problem }) => problem)).toEqual(['', '', '']),
    )
    await expectServes(lab, lab.host(2), nth(workloads, 0))
  })
  expectNoneLost(passages)
  expect(await owned(lab)).toEqual(before)
})
