/**
 * Alternates: an attach by the agent; the same work of the kernel alone, on the
 * host that this runs on; the same transaction alone. So all three see the same
 * machine.
 */
import { credentials } from '@grpc/grpc-js'
import { createLinuxKernel } from '../../agent/kernel/linux.ts'
import type { Item } from '../../agent/state/item.ts'
import { parseIp } from '../../lib/ip.ts'
import { createLogger } from '../../lib/log.ts'
import { macOf } from '../../lib/mac.ts'
import { createRpcClient } from '../../lib/rpc-client.ts'
import { AgentService } from '../../proto/index.ts'
import { connect } from '../../store/connect.ts'
import { absent, type Key, put } from '../../store/store.ts'
import { timed } from './figure.ts'
import { workerInput, workerOutput } from './in-host.ts'

export interface AttachInput {
  readonly etcd: string
  readonly socket: string
  readonly network: string
  /** Rounds that do not count. */
  readonly warmUp: number
  /** Paths of namespaces: one list for the agent, one for the kernel alone. */
  readonly forAgent: readonly string[]
  readonly forKernel: readonly string[]
}

/** Milliseconds, one per round. */
export interface AttachOutput {
  readonly first: number
  readonly attach: readonly number[]
  readonly kernel: readonly number[]
  readonly transaction: readonly number[]
}

const input = workerInput() as AttachInput
const log = createLogger('bench', 'error')
const client = createRpcClient({
  address: `unix:${input.socket}`,
  credentials: credentials.createInsecure(),
  timeout: 30_000,
})
const agent = client.service(AgentService)
const store = connect({ urls: [input.etcd], prefix: '/bench/', log })
const kernel = createLinuxKernel({ clusterUid: 'bench', log })
const bridge = 'ovbr1'
const alias = 'overlay/bench/floor'
const gateway = parseIp('10.99.0.1')

await kernel.apply([{ do: 'put', item: { kind: 'bridge', name: bridge, mac: macOf('bench'), mtu: 1450, alias } }])
const [firstSandbox = '', ...sandboxes] = input.forAgent
const first = await timed(() => agent.attach({ network: input.network, netns: firstSandbox }))
const attach: number[] = []
const plug: number[] = []
const transaction: number[] = []
for (const [round, netns] of sandboxes.entries()) {
  attach.push(await timed(() => agent.attach({ network: input.network, netns })))
  plug.push(await timed(() => kernelAlone(round, input.forKernel[round] ?? '')))
  transaction.push(await timed(() => transactionAlone(round)))
}
const fake = (await kernel.observe()).filter(({ kind }) => kind === 'veth' || kind === 'bridge')
await kernel.apply(fake.map((item) => ({ do: 'delete', item })))
client.close()
await store.close()
kernel.close()
const counted = (times: readonly number[]) => times.slice(input.warmUp)
workerOutput({
  first,
  attach: counted(attach),
  kernel: counted(plug),
  transaction: counted(transaction),
} satisfies AttachOutput)

async function kernelAlone(round: number, netns: string): Promise<void> {
  const { cookie } = kernel.netnsIdentity(netns)
  const name = `ovebench${round}`
  const inside = {
    netns,
    cookie,
    ifname: 'eth0',
    mac: macOf('inside', String(round)),
    addresses: [`10.99.${round >> 7}.${(round & 127) + 2}/16`],
    gateways: [gateway],
    gwPriority: 0,
  }
  const veth: Item = {
    kind: 'veth',
    name,
    mac: macOf('host', String(round)),
    mtu: 1450,
    alias: `${alias}/${round}`,
    bridge,
    inside,
  }
  const entry: Item = { kind: 'port-entry', dev: name, mac: inside.mac }
  const results = await kernel.apply([veth, entry].map((item) => ({ do: 'put', item })))
  for (const result of results) if (!result.ok) throw result.error
}

/** As many compares, writes and bytes as a claim has. */
async function transactionAlone(round: number): Promise<void> {
  const id = round.toString(16).padStart(32, '0')
  const endpoint = store.keys.endpoint('floor', id)
  const others: Key<unknown>[] = ['a', 'b', 'c', 'd', 'e'].map((part) => store.keys.name(`floor-${part}`, id))
  const record = {
    id,
    network: 'floor',
    networkUid: id,
    node: 'h1',
    mac: macOf(id),
    addresses: ['10.99.0.9'],
    ifname: 'eth0',
  }
  await store.commit({
    compares: [endpoint, ...others].map(absent),
    writes: [put(endpoint, record), ...others.slice(0, 3).map((key) => put(key, { endpointId: id }))],
  })
}
