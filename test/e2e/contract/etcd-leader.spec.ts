/** E5: the leader of three members is gone, frozen, or cut off from the others. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ClusterStatus, type JsonObject } from '../../../proto/index.ts'
import { between, type Cuts, createCuts } from '../../lab/cuts.ts'
import type { Etcd } from '../../lab/etcd.ts'
import type { Lab } from '../../lab/lab.ts'
import { ping } from '../../lab/ping.ts'
import { attach, detachAll } from '../attach-calls.ts'
import { expectIpamClean, inhabitedLab, mend, nth } from './inhabited-lab.ts'
import { expectNoneLost, type Pair, through } from './through.ts'
import { within } from './within.ts'

let lab: Lab
let cuts: Cuts
let pairs: readonly Pair[]

beforeAll(async () => {
  const inhabited = await inhabitedLab({ hosts: 2, etcdMembers: 3 })
  lab = inhabited.lab
  cuts = createCuts(lab)
  pairs = [[nth(inhabited.workloads, 0), nth(inhabited.workloads, 1)]]
})
afterEach(async () => {
  await cuts.heal()
  await mend(lab)
})
afterAll(() => lab?.down())

async function members() {
  const { store } = ClusterStatus.fromJson(await lab.overlayctlJson<JsonObject>('status'))
  return store?.members ?? []
}

/** The member that leads, and its address. */
async function leader(): Promise<{ readonly etcd: Etcd; readonly address: string }> {
  const url = await within({ what: 'E5 status names a leader', seconds: 5 }, async () => {
    const found = (await members()).find((member) => member.leader)
    if (!found) throw new Error('no member leads')
    return found.url
  })
  const etcd = lab.etcdMembers.find((member) => member.url === url)
  if (!etcd) throw new Error(`no member has ${url}`)
  return { etcd, address: new URL(etcd.url).hostname }
}

const others = (address: string) =>
  lab.etcdMembers.map(({ url }) => new URL(url).hostname).filter((one) => one !== address)

test.each([
  ['gone', async (etcd: Etcd) => void (await etcd.kill()), async (etcd: Etcd) => etcd.start()],
  ['frozen', async (etcd: Etcd) => etcd.freeze(), async (etcd: Etcd) => etcd.thaw()],
  [
    'cut off from the others',
    async (_: Etcd, address: string) => void (await cuts.cut(between([address], others(address)))),
    async () => cuts.heal(),
  ],
] as const)(
  'E5 the leader of three members is %s: attach and create wait for the election',
  async (how, begin, end) => {
    const { etcd, address } = await leader()
    const [h1, h2] = [lab.host(1), lab.host(2)]
    const [inOne, inTwo] = await lab.sandboxes([1, 2].map((n) => `${how.split(' ')[0]}-${n}`))
    if (!inOne || !inTwo) throw new Error('two sandboxes were asked for')
    const passages = await through(lab, `E5 the leader ${how}`, pairs, async () => {
      await begin(etcd, address)
      const since = performance.now()
      const name = `made-${how.split(' ')[0]}`
      const [one, two] = await Promise.all([
        within({ what: `E5 ${how}: attach on h1`, seconds: 5, since }, () =>
          attach('web', { host: h1, sandbox: inOne }),
        ),
        within({ what: `E5 ${how}: attach on h2`, seconds: 5, since }, () =>
          attach('web', { host: h2, sandbox: inTwo }),
        ),
        within({ what: `E5 ${how}: create`, seconds: 5, since }, async () => {
          const { exitCode, stderr } = await lab.overlayctl('create', name)
          // Made by one that was not answered.
          if (!stderr.includes('already')) expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
        }),
      ])
      // What was followed at a member that says nothing goes on at another once that is found out: at the latest by a ping.
      await within({ what: `E5 ${how}: the hosts know of the new endpoints`, seconds: 15 }, async () =>
        expect(await ping(inOne, two.addresses[0] ?? '')).toBe(true),
      )
      await within({ what: `E5 ${how}: status names the member`, seconds: 5 }, async () => {
        const wrong = (await members()).filter(({ problem }) => problem !== '')
        expect(wrong.map(({ url }) => url)).toEqual([etcd.url])
      })
      await detachAll([
        { host: h1, endpoint: one },
        { host: h2, endpoint: two },
      ])
      await end(etcd)
      await within({ what: `E5 ${how}: all members are well again`, seconds: 5 }, async () => {
        expect((await members()).map(({ problem }) => problem)).toEqual(['', '', ''])
      })
      for (const { agent } of lab.hosts) await agent.ready()
    })
    expectNoneLost(passages)
    await expectIpamClean(lab)
  },
)
