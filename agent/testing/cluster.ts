/** A cluster's records in a real etcd, each test under a prefix of its own. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { pino } from 'pino'
import { vi } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import type { Init, Network } from '../../proto/index.ts'
import { type ConnectOptions, connect } from '../../store/connect.ts'
import type { TestEtcd } from '../../store/etcd-for-tests.ts'
import { createQuarantine } from '../../store/quarantine.ts'
import { put, remove, type Store, unchanged } from '../../store/store.ts'
import { createAddressPool } from '../ipam/address-pool.ts'
import type { Claimed, ClaimParts, ClaimRequest } from '../ipam/claim.ts'
import { release } from '../ipam/release.ts'
import { type Registration, register } from '../node/registration.ts'
import type { NetworkView } from '../state/view.ts'
import { readEndpoint, readNetwork } from '../view/records.ts'

export const silent = pino({ level: 'silent' })

export interface TestCluster {
  readonly uid: string
  readonly url: string
  readonly prefix: string
  readonly store: Store
  /** Another connection to the same records, closed with the cluster. */
  readonly connect: (callTimeout?: number) => Store
  /** Each key with the revision of its last change, sorted. */
  readonly dump: () => Promise<readonly string[]>
  /** The keys alone. */
  readonly paths: () => Promise<readonly string[]>
  /** The same without what outlives an endpoint: resting addresses, and the journal. */
  readonly held: () => Promise<readonly string[]>
  /** Makes the network as a controller does; the gateway is each subnet's first address. */
  readonly addNetwork: (name: string, wish?: NetworkWish) => Promise<NetworkView>
  /** As a controller updates it. */
  readonly changeNetwork: (name: string, change: (record: Network) => Init<Network>) => Promise<void>
  readonly removeNetwork: (network: NetworkView) => Promise<void>
  readonly close: () => Promise<void>
}

export interface NetworkWish {
  readonly subnets?: readonly string[]
  /** Of the first subnet. */
  readonly ipRange?: string
  readonly auxAddresses?: Readonly<Record<string, string>>
  readonly mtu?: number
  readonly vni?: number
}

export async function openCluster(
  { url, tls }: Pick<TestEtcd, 'url'> & Pick<ConnectOptions, 'tls'>,
  prefix = randomPrefix(),
): Promise<TestCluster> {
  const stores: Store[] = []
  const open = (callTimeout = 2_000) => {
    const store = connect({ urls: [url], prefix, tls, callTimeout, log: silent })
    stores.push(store)
    return store
  }
  const store = open()
  const { keys } = store
  const uid = randomBytes(8).toString('hex')
  await store.commit({ compares: [], writes: [put(keys.cluster, { uid })] })
  const entries = async () => (await store.list({ prefix, type: null })).entries
  const paths = async () => (await entries()).map(({ path }) => path.slice(prefix.length))
  let vnis = 7
  return {
    uid,
    url,
    prefix,
    store,
    connect: open,
    dump: async () => (await entries()).map(({ path, modRevision }) => `${path.slice(prefix.length)} ${modRevision}`),
    paths,
    held: async () => (await paths()).filter((path) => !/^(released|history)\//.test(path)),
    async addNetwork(name, wish = {}) {
      const { subnets = ['10.0.9.0/24'], ipRange = '', auxAddresses = {}, mtu = 1400, vni = vnis++ } = wish
      const gateways = subnets.map((text) => parseIp(text.replace(/0?\/\d+$/, '1')))
      const record = {
        name,
        uid: randomBytes(8).toString('hex'),
        vni,
        mtu,
        subnets: subnets.map((cidr, at) => ({
          cidr,
          gateway: gateways[at] ?? '',
          ...(at === 0 ? { ipRange, auxAddresses } : {}),
        })),
        state: 'READY',
      } as const
      await store.commit({
        compares: [],
        writes: [
          put(keys.network(name), record),
          ...gateways.map((gateway) => put(keys.address(name, gateway), { kind: 'GATEWAY' })),
          ...Object.entries(auxAddresses).map(([called, ip]) =>
            put(keys.address(name, parseIp(ip)), { kind: 'AUXILIARY', name: called }),
          ),
        ],
      })
      const entry = await store.get(keys.network(name))
      if (!entry) throw new Error(`network ${name} was not made`)
      return readNetwork(entry)
    },
    async changeNetwork(name, change) {
      const entry = await store.get(keys.network(name))
      if (!entry) throw new Error(`there is no network ${name}`)
      await store.commit({
        compares: [unchanged(entry)],
        writes: [put(keys.network(name), change(entry.value), { over: entry })],
      })
    },
    async removeNetwork({ name, subnets }) {
      const reserved = subnets.flatMap(({ gateway, aux }) => [gateway, ...aux])
      const addresses = reserved.map((ip) => remove(keys.address(name, ip)))
      await store.commit({ compares: [], writes: [remove(keys.network(name)), ...addresses] })
    },
    close: async () => {
      await Promise.all(stores.map((each) => each.close()))
    },
  }
}

export function randomPrefix(): string {
  return `/t${randomBytes(6).toString('hex')}/`
}

/** The records of a node, as its agent registers it. `n` tells its VTEP address, 192.0.2.n. */
export function nodeRecord(n: number, bootId = `boot-of-${n}`) {
  return {
    name: `host-${n}`,
    uid: `uid-of-${n}`,
    vtepAddress: `192.0.2.${n}`,
    underlayMtu: 1500,
    version: '1',
    machineId: 'm',
    bootId,
  }
}

export interface Claimant {
  readonly registration: Registration
  readonly parts: ClaimParts
  readonly request: (wish?: Partial<ClaimRequest>) => ClaimRequest
  /** Ids of attempts that are neither refused nor known to be done. */
  readonly open: ReadonlySet<string>
}

/** A registered node that claims, knowing nothing of others but what the store tells it. */
export async function claimantOf(cluster: TestCluster, n: number, network: NetworkView): Promise<Claimant> {
  const store = cluster.connect()
  const node = nodeRecord(n)
  const registration = await register(store, node)
  const open = new Set<string>()
  let known = network
  return {
    registration,
    open,
    parts: {
      store,
      registration,
      network: () => known,
      onNetwork: (entry) => {
        known = readNetwork(entry)
      },
      pool: createAddressPool({ store, node: node.name, ownerOf: () => undefined, now: () => performance.now() }),
      newId: () => randomBytes(16).toString('hex'),
      onAttempt: (id) => void open.add(id),
      onRefused: (id) => void open.delete(id),
      meanwhile: () => undefined,
    },
    request: (wish) => ({
      name: '',
      mac: undefined,
      addresses: [],
      record: {
        node: node.name,
        ifname: 'eth0',
        labels: {},
        gwPriority: 0,
        sandbox: { kind: 'NAMESPACE', cookie: '1', path: '/c1' },
      },
      ...wish,
    }),
  }
}

/** Releases what was claimed. */
export function giveBack({ parts, registration }: Claimant, { value, revision }: Claimed): Promise<number> {
  const { store } = parts
  const quarantine = createQuarantine(store, () => performance.now())
  const endpoint = readEndpoint({ value, createRevision: revision, modRevision: revision })
  return release({ store, quarantine, generation: () => registration.generation() }, endpoint)
}

/** Freezes etcd; resolves when all its threads stand still. */
export async function freeze(etcd: TestEtcd): Promise<void> {
  etcd.freeze()
  const tasks = `/proc/${etcd.pid}/task`
  const isStopped = (task: string) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'))
  await vi.waitUntil(() => readdirSync(tasks).every(isStopped), { timeout: 5_000, interval: 1 })
}
