/** Daemons that die and start again: what they find is adopted, and nothing is lost meanwhile. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Endpoint } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import type { Sandbox } from '../lab/sandbox.ts'
import { until } from '../lab/until.ts'
import { attach, detachAll } from './attach-calls.ts'
import { kernelState } from './kernel-state.ts'
import { expectNoLoss } from './no-loss.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'

interface Member {
  readonly sandbox: Sandbox
  readonly endpoint: Endpoint
}

let lab: Lab
let h1: Host
let h2: Host
/** a and b on h1, c on h2. */
let a: Member
let b: Member
let c: Member

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  h1 = lab.host(1)
  h2 = lab.host(2)
  await lab.overlayctlJson('create', 'web', '--subnet', '10.0.9.0/24', '--subnet', 'fd00:9::/64')
  a = await member(h1, 'a')
  b = await member(h1, 'b')
  c = await member(h2, 'c')
})
afterAll(() => lab?.down())

async function member(host: Host, name: string, network = 'web'): Promise<Member> {
  const sandbox = await lab.sandbox(name)
  return { sandbox, endpoint: await attach(network, { host, sandbox }) }
}

const ipv4 = ({ endpoint }: Member) => endpoint.addresses.find((address) => !address.includes(':')) ?? ''
const ipv6 = ({ endpoint }: Member) => endpoint.addresses.find((address) => address.includes(':')) ?? ''

/** Between the hosts both ways, and within one, while `action` runs. */
function expectConnected(action: () => Promise<void>): Promise<void> {
  return expectNoLoss(
    [
      [a.sandbox, ipv4(c)],
      [c.sandbox, ipv6(a)],
      [a.sandbox, ipv4(b)],
    ],
    action,
  )
}

/** A new endpoint pings and goes: by then the agent has also done its first audit. */
async function expectWorks(host: Host, other: Member, network = 'web'): Promise<void> {
  const guest = await member(host, `guest-${guests++}`, network)
  await guest.sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', ipv4(other)])
  await detachAll([{ host, endpoint: guest.endpoint }])
  await guest.sandbox.delete()
}

let guests = 0

test.each(['kill', 'stop'] as const)(
  'agents end (%s) and start again: no packet is lost, no device rebuilt',
  async (how) => {
    showHostsOnFailure(lab)
    const before = [await kernelState(h1), await kernelState(h2)]
    await expectConnected(async () => {
      for (const host of [h1, h2]) {
        await host.agent[how]()
        await host.agent.start()
      }
      await expectWorks(h1, c)
      await expectWorks(h2, a)
    })
    expect([await kernelState(h1), await kernelState(h2)]).toEqual(before)
  },
)

test('a controller is killed and started again: no packet is lost, and it serves as before', async () => {
  showHostsOnFailure(lab)
  const [controller] = lab.controllers
  const guest = await lab.sandbox('by-controller')
  await expectConnected(async () => {
    await controller?.kill()
    await expectWorks(h1, c)
    await controller?.start()
    await lab.overlayctlJson('create', '--wait', 'after')
  })
  // The agents have dialled it again.
  const { id } = await lab.overlayctlJson<Endpoint>('attach', 'after', '--netns', guest.path, '--node', 'h2')
  await lab.overlayctlJson('detach', id, '--node', 'h2')
  await lab.overlayctlJson('rm', 'after')
  await guest.delete()
})

test('what changed elsewhere while an agent was down is right after its start', async () => {
  showHostsOnFailure(lab)
  const going = await member(h2, 'going')
  await until(async () => (await kernelState(h1)).includes(going.endpoint.mac), { what: 'h1 to know the endpoint' })
  await h1.agent.kill()
  await detachAll([{ host: h2, ...going }])
  const coming = await member(h2, 'coming')
  await h1.agent.start()
  await until(async () => !(await kernelState(h1)).includes(going.endpoint.mac), { what: 'h1 to forget the endpoint' })
  const state = await kernelState(h1)
  for (const entry of [
    `${coming.endpoint.mac} dev ovvx\\d+ dst ${h2.address} self static`,
    `${coming.endpoint.mac} dev ovvx\\d+ master ovbr\\d+ static`,
    `${ipv4(coming)} dev ovbr\\d+ lladdr ${coming.endpoint.mac} PERMANENT`,
    `${ipv6(coming)} dev ovbr\\d+ lladdr ${coming.endpoint.mac} PERMANENT`,
  ])
    expect(state).toMatch(new RegExp(entry))
  expect(state).not.toContain(`${ipv4(going)} `)
  await a.sandbox.exec(['ping', '-n', '-q', '-c', '1', '-W', '2', ipv4(coming)])
  await detachAll([{ host: h2, ...coming }])
  await until(async () => !(await kernelState(h1)).includes(coming.endpoint.mac), { what: 'h1 to forget it, too' })
})

test('what was removed while an agent was down is there again; what is not ours is untouched', async () => {
  showHostsOnFailure(lab)
  const before = await kernelState(h1)
  const bridge = /ovbr\d+/.exec(before)?.[0] ?? ''
  const vxlan = bridge.replace('ovbr', 'ovvx')
  const port = `ove${a.endpoint.id.slice(0, 12)}`
  await h1.agent.kill()
  await h1.exec(
    [
      `bridge fdb del ${c.endpoint.mac} dev ${vxlan} master`,
      `bridge fdb del ${c.endpoint.mac} dev ${vxlan} dst ${h2.address} self`,
      `bridge fdb del ${a.endpoint.mac} dev ${port} master`,
      `ip neighbour del ${ipv4(c)} dev ${bridge}`,
      `ip neighbour del ${ipv6(c)} dev ${bridge}`,
      `ip address del 10.0.9.1/24 dev ${bridge}`,
      'nft delete table inet overlay',
    ].join(' && '),
  )
  expect(await kernelState(h1)).not.toBe(before)
  await h1.exec(
    [
      'ip link add ovbrfoo type bridge',
      'ip link set ovbrfoo up',
      'ip link add ovbr4711 type bridge',
      'ip link set ovbr4711 alias overlay/0123456789abcdef0123456789abcdef/web',
      'ip link add ove-other type veth peer name ove-peer',
      'ip link set ove-other alias "made by hand"',
    ].join(' && '),
  )
  const foreign = () => h1.exec('for link in ovbrfoo ovbr4711 ove-other ove-peer; do ip -o link show $link; done')
  const theirs = await foreign()
  await h1.agent.start()
  await expectWorks(h1, c)
  expect(await foreign()).toBe(theirs)
  await h1.exec('ip link del ovbrfoo && ip link del ovbr4711 && ip link del ove-other')
  expect(await kernelState(h1)).toBe(before)
})
