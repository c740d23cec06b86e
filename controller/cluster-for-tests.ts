/** A cluster's records in a real etcd, for tests: what agents would have written. */
import { randomBytes } from 'node:crypto'
import { OverlayError } from '../lib/errors.ts'
import { parseCidr, parseIp } from '../lib/ip.ts'
import { createLogger } from '../lib/log.ts'
import { macOf, parseMac } from '../lib/mac.ts'
import { pause } from '../lib/retry.ts'
import { parseVni } from '../lib/vni.ts'
import { Answer, Endpoint, type Network } from '../proto/index.ts'
import { connect } from '../store/connect.ts'
import { startEtcd, type TestEtcd } from '../store/etcd-for-tests.ts'
import { put, remove, type Store } from '../store/store.ts'
import type { Ask } from './agent-links.ts'
import type { Warnings } from './warnings/warnings.ts'

export const silent = createLogger('test', 'silent')

/** VNIs and pools that are soon used up. */
export const smallSpace = {
  vnis: { min: parseVni(5000), max: parseVni(5999) },
  pools: [{ cidr: parseCidr('10.64.0.0/16'), size: 24 }],
}

/** One etcd, shared by the tests of a file; each takes a prefix of its own. */
export interface TestStores extends AsyncDisposable {
  readonly etcd: TestEtcd
  /** Stores with the same, new prefix: as two controllers see one cluster. */
  open(count?: number): readonly [Store, ...Store[]]
}

export async function testStores(): Promise<TestStores> {
  const etcd = await startEtcd()
  const opened: Store[] = []
  return {
    etcd,
    open(count = 1) {
      const prefix = `/${randomBytes(6).toString('hex')}/`
      const one = () => connect({ urls: [etcd.url], prefix, log: silent })
      const stores = [one(), ...Array.from({ length: count - 1 }, one)] as const
      opened.push(...stores)
      return stores
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((store) => store.close()))
      await etcd.close()
    },
  }
}

/** Every key below the prefix, and when it was written. */
export async function everyKey(store: Store): Promise<readonly string[]> {
  const { entries } = await store.list<null>({ prefix: store.keys.prefix, type: null })
  return entries.map((entry) => `${entry.path.slice(store.keys.prefix.length)} @${entry.modRevision}`)
}

export async function registerNode(store: Store, name: string, vtepAddress = '192.0.2.1', underlayMtu = 1500) {
  const node = { name, uid: randomBytes(16).toString('hex'), vtepAddress, underlayMtu }
  await store.commit({ compares: [], writes: [put(store.keys.node(name), node)] })
}

export async function startSession(store: Store, node: string) {
  const session = { node, startedAt: new Date().toISOString() }
  await store.commit({ compares: [], writes: [put(store.keys.session(node), session)] })
}

/** An endpoint with all its keys, as an agent's claim writes them. */
export async function claim(store: Store, network: Network, node: string, address: string, name = '') {
  const { keys } = store
  const id = randomBytes(16).toString('hex')
  const mac = macOf('test', id)
  const endpoint = Endpoint.create({
    id,
    network: network.name,
    networkUid: network.uid,
    name,
    node,
    mac,
    addresses: [address],
  })
  await store.commit({
    compares: [],
    writes: [
      put(keys.endpoint(network.name, id), endpoint),
      put(keys.address(network.name, parseIp(address)), { kind: 'ENDPOINT', endpointId: id, node }),
      put(keys.mac(network.name, mac), { endpointId: id }),
      put(keys.placement(node, network.name, id), null),
      ...(name ? [put(keys.name(network.name, name), { endpointId: id })] : []),
    ],
  })
  return endpoint
}

/** What a node tells of its host. */
export async function reportRoutes(store: Store, node: string, ...cidrs: string[]) {
  const routes = cidrs.map((cidr) => ({ kind: 'ROUTE' as const, cidr, via: 'tun0' }))
  await store.commit({ compares: [], writes: [put(store.keys.hostRoutesOf(node), { routes })] })
}

/** Agents of these nodes that detach what they are asked to. */
export function detachingAgents(store: Store, ...nodes: string[]) {
  const { keys } = store
  const asked: string[] = []
  return {
    asked,
    isConnected: (node: string) => nodes.includes(node),
    async ask(node: string, { detach }: Ask) {
      const id = detach?.endpointId ?? ''
      asked.push(`${node} ${id}`)
      const networks = await store.list(keys.networks)
      const found = await Promise.all(networks.entries.map(({ value }) => store.get(keys.endpoint(value.name, id))))
      const endpoint = found.find((entry) => entry?.value.node === node)?.value
      if (!endpoint) throw new OverlayError('not_found', `there is no endpoint ${id} on node ${node}`)
      await store.commit({
        compares: [],
        writes: [
          remove(keys.endpoint(endpoint.network, id)),
          ...endpoint.addresses.map((address) => remove(keys.address(endpoint.network, parseIp(address)))),
          remove(keys.mac(endpoint.network, parseMac(endpoint.mac))),
          remove(keys.placement(node, endpoint.network, id)),
          ...(endpoint.name ? [remove(keys.name(endpoint.network, endpoint.name))] : []),
        ],
      })
      return Answer.create({ detach: { endpoint } })
    },
  }
}

/** A janitor that leaves unreachable nodes alone. */
export const neverEvicts = { grace: 0, isConnected: () => false }

/** Where there is nothing to warn of. */
export const noWarnings: Warnings = {
  count: 0,
  all: () => [],
  of: () => [],
  told: () => [],
  onDifference: () => () => {},
}

/** Waits for a condition, up to ten seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited for ${what}`)
    await pause(10)
  }
}
