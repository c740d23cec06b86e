/** H2, H3 and H4: hosts that boot anew, that are gone, and that come back after others have taken their place. */

import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type JsonObject, Node } from '../../../proto/index.ts'
import { between, type Cuts, createCuts } from '../../lab/cuts.ts'
import type { StartOptions } from '../../lab/daemon.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import type { Netns } from '../../lab/netns.ts'
import { until } from '../../lab/until.ts'
import { keysBelow, storedKey } from '../store-content.ts'
import { attachWorkload, detachWorkload, type Workload } from '../workload.ts'
import { expectIpamClean, expectServes, inhabitedLab, mend, nth, owned, shortLease } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'

let lab: Lab
let cuts: Cuts
/** The one that everything happens to. */
let h3: Host
/** On h1 and on h2: the others. */
let a: Workload
let b: Workload
let others: Pair
/** How the agent of h3 is started in its present boot. */
let boot: StartOptions = { flags: shortLease }

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 3 })
  lab = inhabited.lab
  h3 = lab.host(3)
  cuts = createCuts(lab)
  a = nth(inhabited.workloads, 0)
  b = nth(inhabited.workloads, 1)
  others = [a, b]
  await detachWorkload(nth(inhabited.workloads, 2))
})
afterEach(async () => {
  await cuts.heal()
  await mend(lab)
})
afterAll(() => lab?.down())

const nodeOf = async ({ name }: Host) => Node.fromJson(await lab.overlayctlJson<JsonObject>('node', 'inspect', name))

const untilUnreachable = () =>
  until(async () => (await nodeOf(h3)).status?.state === 'UNREACHABLE', {
    what: 'h3 to be unreachable',
    deadline: 30_000,
    every: 200,
  })

/** What the journal of addresses says of one that an endpoint had. */
async function tenuresOf({ endpoint, address }: Workload) {
  const tenures = await lab.overlayctlJson<readonly { tenure: { endpointId: string; end?: string } }[]>(
    'ipam',
    'history',
    '--ip',
    address,
  )
  return tenures.map(({ tenure }) => tenure).filter(({ endpointId }) => endpointId === endpoint.id)
}

/** Whether the store has anything that is the endpoint's, but for the journal. */
async function isOwned({ endpoint: { id } }: Workload): Promise<boolean> {
  const keys = (await keysBelow(lab.etcd)).filter(({ path }) => !path.startsWith('history/'))
  return keys.some(({ path, value }) => path.endsWith(id) || value['endpointId'] === id)
}

/** The command of an agent after a boot: the kernel gives it another boot id. */
async function withBootId(id: string) {
  const file = join(lab.directory, `boot-${id}`)
  await writeFile(file, `${id}\n`)
  const script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
  // Namespaces of sandboxes that are made later have to be seen: mounts come in, but do not go out.
  return (own: readonly string[]) => ['unshare', '-m', '--propagation', 'slave', 'sh', '-c', script, file, ...own]
}

/** All that a boot takes: the sandboxes, our devices, our rules. The agent is dead. */
async function powerOff(host: Host, sandboxes: readonly Workload[]): Promise<void> {
  await host.agent.kill()
  await Promise.all(sandboxes.map(({ sandbox }) => sandbox.delete()))
  await host.exec(
    `for link in $(ip -o link | grep -o ' ov[^:@]*'); do ip link del $link 2> /dev/null; done; nft flush ruleset`,
  )
  expect(await host.exec('ip -o link')).not.toContain(': ov')
}

test('H2 a host dies and boots anew: its addresses are released once, and not before its agent is up', async () => {
  const one = await attachWorkload(lab, h3, 'web', 'one')
  const two = await attachWorkload(lab, h3, 'web', 'two')
  const node = await storedKey(lab.etcd, 'nodes/h3')
  const before = await owned(lab)
  const passages = await through(lab, 'H2 host boots anew', [others], async () => {
    await powerOff(h3, [one, two])
    await untilUnreachable()
    // As long as it is away, for all that is known it may still be running.
    expect(await owned(lab)).toEqual(before)
    boot = { flags: shortLease, command: await withBootId(randomUUID()) }
    await h3.agent.start(boot)
    for (const each of [one, two])
      await until(async () => !(await isOwned(each)), { what: `${each.name} to be released` })
    for (const each of [one, two]) expect((await tenuresOf(each)).map(({ end }) => end)).toEqual([expect.any(String)])
    await expectServes(lab, h3, a)
  })
  expectNoneLost(passages)
  const after = await storedKey(lab.etcd, 'nodes/h3')
  expect(after.createRevision).toBe(node.createRevision)
  expect(after.value['bootId']).not.toBe(node.value['bootId'])
  await expectIpamClean(lab)
})

/** How many echo requests the namespace's kernel was asked. */
async function echoesIn(netns: Netns): Promise<number> {
  const [names, values] = (await netns.exec('grep ^Icmp: /proc/self/net/snmp'))
    .split('\n')
    .map((line) => line.split(' '))
  return Number(values?.[names?.indexOf('InEchos') ?? -1])
}

const disconnect = () => {
  const rest = [...lab.members.values()].map(({ address }) => address)
  return cuts.cut(between([h3.address], rest))
}

/** Its address is now another endpoint's, on another host; then the host is back. */
async function comeBack(victim: Workload, heal: () => Promise<void>, start: () => Promise<void>): Promise<void> {
  const heir = await attachWorkload(lab, lab.host(1), 'web', `heir-of-${victim.name}`, '--ip', victim.address)
  const asked = await echoesIn(victim.sandbox)
  const line = `H4 host comes back after its eviction (${victim.name})`
  const passages = await through(lab, line, [others, [heir, b]], async () => {
    await heal()
    await start()
    await until(async () => (await keysBelow(lab.etcd, 'nodes/h3')).length === 1, {
      what: 'h3 to register',
      deadline: 30_000,
      every: 5,
    })
    // What it had lost was taken down before.
    expect(await h3.exec('ip -o link')).not.toContain(victim.endpoint.id)
    expect(await victim.sandbox.exec('ip -o link')).not.toContain('eth0')
    await h3.agent.ready()
    await expectServes(lab, h3, a)
    await expectServes(lab, h3, heir)
  })
  expectNoneLost(passages)
  // Nobody else was ever asked in its place.
  expect(await echoesIn(victim.sandbox)).toBe(asked)
  for (const host of [lab.host(2), h3])
    expect(await host.exec(`ip neighbour show ${victim.address}; true`)).not.toContain(victim.endpoint.mac)
  expect(await isOwned(victim)).toBe(false)
  expect((await tenuresOf(victim)).map(({ end }) => end)).toEqual(['EVICTED'])
  await detachWorkload(heir)
  await expectIpamClean(lab)
}

test('H3, H4 a host dies for good: its addresses stay taken until node rm; when it comes back it yields them', async () => {
  const victim = await attachWorkload(lab, h3, 'web', 'killed')
  let heal: () => Promise<void> = () => Promise.resolve()
  const passages = await through(lab, 'H3 host dies for good, node rm', [others], async () => {
    await h3.agent.kill()
    heal = await disconnect()
    await untilUnreachable()
    const taken = await lab
      .host(1)
      .overlayctl('attach', 'web', '--netns', a.sandbox.path, '--ifname', 'eth9', '--ip', victim.address)
    expect(taken.exitCode).toBe(1)
    expect(taken.stderr).toContain(victim.address)
    expect(await isOwned(victim)).toBe(true)
    expect(await lab.overlayctl('node', 'rm', 'h3')).toMatchObject({ exitCode: 0, stderr: '' })
    expect(await isOwned(victim)).toBe(false)
  })
  expectNoneLost(passages)
  await comeBack(victim, heal, () => h3.agent.start({ ...boot, deadline: 0 }))
})

test('H3, H4 a host is cut off with all that runs on it, and evicted after --node-grace; when it is back it yields its addresses', async () => {
  const controller = nth(lab.controllers, 0)
  await controller.stop()
  await controller.start({ flags: ['--node-grace', '3'] })
  const victim = await attachWorkload(lab, h3, 'web', 'cut-off')
  let heal: () => Promise<void> = () => Promise.resolve()
  const passages = await through(lab, 'H3 host dies for good, --node-grace 3', [others], async () => {
    heal = await disconnect()
    await until(async () => !(await isOwned(victim)), { what: 'h3 to be evicted', deadline: 60_000, every: 200 })
    expect(await keysBelow(lab.etcd, 'nodes/h3')).toEqual([])
    expect(await keysBelow(lab.etcd, 'placements/h3/')).toEqual([])
  })
  expectNoneLost(passages)
  expect(await h3.exec('ip -o link')).toContain(victim.endpoint.id)
  await comeBack(victim, heal, () => Promise.resolve())
  await controller.stop()
  await controller.start({})
})
