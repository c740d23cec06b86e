/** H6 and H7: what happens to a host's interface on the underlay. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { ping } from '../../lab/ping.ts'
import { keysBelow, storedKey } from '../store-content.ts'
import { untilAllAnswer, type Workload } from '../workload.ts'
import { expectServes, inhabitedLab, mend, nth, owned, shortLease } from './inhabited-lab.ts'
import { expectLostAtMost, expectNoneLost, ofPair, type Pair, type Passage, through } from './through.ts'
import { within } from './within.ts'

let lab: Lab
/** The one that everything happens to. */
let h3: Host
let a: Workload
let b: Workload
/** On h3. */
let c: Workload
let others: Pair
let own: readonly Pair[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 3 })
  lab = inhabited.lab
  h3 = lab.host(3)
  a = nth(inhabited.workloads, 0)
  b = nth(inhabited.workloads, 1)
  c = nth(inhabited.workloads, 2)
  others = [a, b]
  own = [
    [a, c],
    [b, c],
  ]
  // Found by the interface, as where addresses are given out.
  await h3.agent.stop()
  await h3.agent.start({ flags: [...shortLease, '--vtep-interface', h3.underlay], command: withoutAddress })
})
afterEach(() => mend(lab))
afterAll(() => lab?.down())

function withoutAddress(command: readonly string[]): readonly string[] {
  const at = command.indexOf('--vtep-address')
  return command.toSpliced(at, 2)
}

/** Of the others nothing is lost; of its own not more than so many seconds' worth. */
function expectOwnLost(passages: readonly Passage[], seconds: number): void {
  expectNoneLost(ofPair(passages, others))
  expectLostAtMost(
    own.flatMap((pair) => ofPair(passages, pair)),
    seconds,
  )
}

/** Both ways between h3 and each of the others. */
const reachesAll = async () => {
  const answers = await Promise.all(
    own.flatMap(([one]) => [ping(c.sandbox, one.address), ping(one.sandbox, c.address)]),
  )
  expect(answers).toEqual([true, true, true, true])
}

/** Runs `fault`, and waits for h3's traffic. @returns seconds from the beginning of the fault. */
async function untilBack(line: string, seconds: number, fault: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await fault()
  await within({ what: `${line} traffic of h3 is back`, seconds }, reachesAll)
  return (performance.now() - started) / 1_000
}

test.each([
  ['changes', '192.168.200.103'],
  ['changes back', '192.168.200.3'],
])("H6 a host's VTEP address %s, to %s: by itself its traffic follows", async (word, address) => {
  const endpoints = await keysBelow(lab.etcd, 'endpoints/')
  const node = await storedKey(lab.etcd, 'nodes/h3')
  let lostFor = 0
  const passages = await through(lab, `H6 VTEP address ${word}`, [others, ...own], async () => {
    lostFor = await untilBack('H6', 5, () =>
      // One after the other: who is taken away takes those with him that came after.
      h3.exec(
        `ip address del ${String(node.value['vtepAddress'])}/24 dev ${h3.underlay} && ip address add ${address}/24 dev ${h3.underlay}`,
      ),
    )
    await expectServes(lab, h3, a)
    await expectServes(lab, lab.host(1), c)
  })
  expectOwnLost(passages, lostFor)
  const after = await storedKey(lab.etcd, 'nodes/h3')
  expect(after.value['vtepAddress']).toBe(address)
  expect(after.createRevision).toBe(node.createRevision)
  expect(await keysBelow(lab.etcd, 'endpoints/')).toEqual(endpoints)
})

test("H7 the underlay's interface goes down and up: the traffic is back with it", async () => {
  const before = await owned(lab)
  let lostFor = 0
  const passages = await through(lab, 'H7 underlay interface down and up', [others, ...own], async () => {
    lostFor = await untilBack('H7', 1, async () => {
      await h3.exec(`ip link set ${h3.underlay} down`)
      expect(await ping(c.sandbox, a.address)).toBe(false)
      await h3.exec(`ip link set ${h3.underlay} up`)
    })
    await h3.agent.ready()
    await expectServes(lab, h3, a)
  })
  expectOwnLost(passages, lostFor)
  expect(await owned(lab)).toEqual(before)
})

test("H7 the underlay's interface gets another name: the traffic is back with it", async () => {
  const before = await owned(lab)
  const rename = (from: string, to: string) =>
    h3.exec(`ip link set ${from} down && ip link set ${from} name ${to} && ip link set ${to} up`)
  let lostFor = 0
  const passages = await through(lab, 'H7 underlay interface renamed', [others, ...own], async () => {
    lostFor = await untilBack('H7', 1, () => rename(h3.underlay, 'uplink0'))
    await expectServes(lab, h3, a)
    lostFor += await untilBack('H7', 1, () => rename('uplink0', h3.underlay))
    await h3.agent.ready()
    await expectServes(lab, h3, a)
    await untilAllAnswer([a, b, c])
  })
  expectOwnLost(passages, lostFor)
  expect(await owned(lab)).toEqual(before)
})
