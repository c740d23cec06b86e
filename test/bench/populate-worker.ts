/** Writes endpoints of nodes that do not exist, as their agents would have: a large network from a small lab. */

import { tenureWrites } from '../../agent/ipam/tenure.ts'
import { formatIp, parseCidr } from '../../lib/ip.ts'
import { createLogger } from '../../lib/log.ts'
import { macOf } from '../../lib/mac.ts'
import { connect } from '../../store/connect.ts'
import { put, type Write } from '../../store/store.ts'
import { workerInput, workerOutput } from './in-host.ts'

export interface PopulateInput {
  readonly etcd: string
  readonly network: string
  readonly count: number
}

/** Five keys each, and etcd takes 128 in a transaction. */
const perTransaction = 25
/** Transactions under way at once. */
const inFlight = 4
const nodes = 100

const { etcd, network, count } = workerInput() as PopulateInput
const store = connect({ urls: [etcd], log: createLogger('bench', 'warn') })
const { keys } = store
const now = new Date().toISOString()
const record = await store.get(keys.network(network))
const cidr = parseCidr(record?.value.subnets[0]?.cidr ?? '')

const nodeWrites = Array.from({ length: nodes }, (_, n): Write => {
  const name = `ghost-${n}`
  return put(keys.node(name), {
    name,
    uid: name,
    vtepAddress: `192.168.200.${100 + n}`,
    underlayMtu: 1500,
    version: 'bench',
  })
})
await store.commit({ compares: [], writes: nodeWrites })

let written = 0
const write = async () => {
  while (written < count) {
    const from = written
    written += perTransaction
    const indexes = Array.from({ length: Math.min(perTransaction, count - from) }, (_, n) => from + n)
    await store.commit({ compares: [], writes: indexes.flatMap(endpointWrites) })
  }
}
await Promise.all(Array.from({ length: inFlight }, write))
await store.close()
workerOutput({ written: count })

/** Addresses from the end of the subnet, where the agents under test rarely begin. */
function endpointWrites(index: number): readonly Write[] {
  const id = `fff${index.toString(16).padStart(29, '0')}`
  const node = `ghost-${index % nodes}`
  const address = formatIp(cidr.family, cidr.last - 1n - BigInt(index))
  const mac = macOf('endpoint', id)
  const endpoint = { id, network, name: '', node, mac, addresses: [address], createdAt: now }
  return [
    put(keys.endpoint(network, id), {
      ...endpoint,
      networkUid: record?.value.uid,
      ifname: 'eth0',
      sandbox: { kind: 'NAMESPACE', bootId: 'bench', cookie: String(index), path: `/run/netns/${id}` },
    }),
    put(keys.address(network, address), { kind: 'ENDPOINT', endpointId: id, node }),
    put(keys.mac(network, mac), { endpointId: id }),
    put(keys.placement(node, network, id), null),
    ...tenureWrites(keys, endpoint),
  ]
}
