/** A small cluster in a real etcd, all of its records in order, that tests then break. */
import { randomBytes } from 'node:crypto'
import { parseIp } from '../../lib/ip.ts'
import { macOf } from '../../lib/mac.ts'
import {
  Answer,
  CheckIpamRequest,
  Endpoint,
  type Finding,
  type Init,
  type LinkAddresses,
  LinkAddressesAnswer,
  Network,
  RepairIpamRequest,
} from '../../proto/index.ts'
import { createQuarantine, putToRest } from '../../store/quarantine.ts'
import { absent, createdAt, put, remove, type Store, type Write } from '../../store/store.ts'
import { everyKey, registerNode, startSession, type TestStores } from '../cluster-for-tests.ts'
import { checkIpam, type IpamParts } from './check.ts'
import { claimKey, claimsOf } from './claims.ts'
import { repairIpam } from './repair.ts'

export interface TestIpam {
  readonly store: Store
  readonly parts: IpamParts
  /** What each node's agent tells of its links. */
  readonly links: Map<string, Init<LinkAddresses>[]>
  /** How often each was asked. */
  readonly asked: string[]
  write(...writes: readonly Write[]): Promise<void>
  attach(wish: AttachWish): Promise<Endpoint>
  /** As an agent: false when the store says no. */
  detach(endpoint: Endpoint): Promise<boolean>
  check(network?: string): ReturnType<typeof checkIpam>
  repair(findings: readonly Finding[]): ReturnType<typeof repairIpam>
  /** All keys but those that only say who is alive. */
  keys(): Promise<readonly string[]>
}

export interface AttachWish {
  readonly node: string
  readonly addresses: readonly string[]
  readonly network?: Network
  readonly name?: string
  readonly id?: string
}

export const web = Network.create({
  name: 'web',
  uid: 'a'.repeat(32),
  vni: 5000,
  state: 'READY',
  subnets: [
    { cidr: '10.0.0.0/16', gateway: '10.0.0.1', auxAddresses: { router: '10.0.0.2' } },
    { cidr: 'fd00:9::/64', gateway: 'fd00:9::1' },
  ],
})

export const db = Network.create({
  name: 'db',
  uid: 'b'.repeat(32),
  vni: 5001,
  state: 'READY',
  subnets: [{ cidr: '10.1.0.0/24', gateway: '10.1.0.1' }],
})

/** Networks `web` and `db`, nodes n1 and n2 which live, and n3 which does not. */
export async function openIpam(stores: TestStores): Promise<TestIpam> {
  const [store] = stores.open()
  const { keys } = store
  const write = async (...writes: readonly Write[]) => void (await store.commit({ compares: [], writes }))
  await write(...networkWrites(store, web), ...networkWrites(store, db))
  for (const [at, node] of ['n1', 'n2', 'n3'].entries()) {
    await registerNode(store, node, `192.0.2.${at + 1}`)
    if (node !== 'n3') await startSession(store, node)
  }
  const links: TestIpam['links'] = new Map()
  const asked: string[] = []
  const parts: IpamParts = {
    store,
    waits: { records: 5, nodes: 20, links: 5 },
    links: {
      isConnected: (node) => node !== 'n3',
      ask: async (node, { linkAddresses }) => {
        asked.push(`${node} ${linkAddresses?.network}`)
        return Answer.create({ linkAddresses: LinkAddressesAnswer.create({ links: links.get(node) ?? [] }) })
      },
    },
  }
  const { signal } = new AbortController()
  const quarantine = createQuarantine(store, () => performance.now())
  return {
    store,
    parts,
    links,
    asked,
    write,
    async attach(wish) {
      const endpoint = endpointOf(wish)
      const outcome = await store.commit({
        compares: [absent(keys.endpoint(endpoint.network, endpoint.id)), ...claimedKeys(store, endpoint).map(absent)],
        writes: endpointWrites(store, endpoint),
      })
      if (!outcome.committed) throw new Error(`${wish.addresses.join(' ')} is taken`)
      return endpoint
    },
    async detach(endpoint) {
      const { network, id, node } = endpoint
      const key = keys.endpoint(network, id)
      const entry = await store.get(key)
      if (!entry) return false
      const rest = await quarantine.lease()
      const ips = endpoint.addresses.map(parseIp)
      const outcome = await store.commit({
        compares: [createdAt(key, entry.createRevision)],
        writes: [
          remove(key),
          remove(keys.placement(node, network, id)),
          ...claimedKeys(store, endpoint).map(remove),
          ...ips.map((ip) => putToRest(keys, network, ip, node, rest)),
          ...ips.map((ip) =>
            tenureWrite(store, endpoint, ip, { releasedAt: new Date().toISOString(), end: 'DETACHED' }),
          ),
        ],
      })
      return outcome.committed
    },
    check: (network = '') => checkIpam(parts, CheckIpamRequest.create({ network }), signal),
    repair: (findings) => repairIpam(parts, RepairIpamRequest.create({ findings }), signal),
    keys: async () => (await everyKey(store)).filter((key) => !/^(sessions|leaders|controllers)\//.test(key)),
  }
}

function networkWrites({ keys }: Store, network: Network): Write[] {
  const { name, vni, subnets } = network
  return [
    put(keys.network(name), network),
    put(keys.vni(vni), { network: name }),
    ...subnets.flatMap(({ gateway, auxAddresses }) => [
      put(keys.address(name, parseIp(gateway)), { kind: 'GATEWAY' }),
      ...Object.entries(auxAddresses).map(([aux, text]) =>
        put(keys.address(name, parseIp(text)), { kind: 'AUXILIARY', name: aux }),
      ),
    ]),
  ]
}

export function endpointOf({ node, addresses, network = web, name = '', id = newId() }: AttachWish): Endpoint {
  return Endpoint.create({
    id,
    network: network.name,
    networkUid: network.uid,
    name,
    node,
    mac: macOf('test', id),
    addresses,
    createdAt: new Date().toISOString(),
  })
}

/** As an agent's claim writes them. */
export function endpointWrites(store: Store, endpoint: Endpoint): Write[] {
  const { keys } = store
  const { network, id, node } = endpoint
  return [
    put(keys.endpoint(network, id), endpoint),
    put(keys.placement(node, network, id), null),
    ...claimsOf(endpoint).map((claim) =>
      claim.kind === 'address'
        ? put(keys.address(network, claim.subject), { kind: 'ENDPOINT', endpointId: id, node })
        : put(claimKey(keys, network, claim), { endpointId: id }),
    ),
    ...endpoint.addresses.map((address) => tenureWrite(store, endpoint, parseIp(address), {})),
  ]
}

export function newId(): string {
  return randomBytes(16).toString('hex')
}

function claimedKeys({ keys }: Store, endpoint: Endpoint) {
  return claimsOf(endpoint).map((claim) => claimKey(keys, endpoint.network, claim))
}

function tenureWrite(
  { keys }: Store,
  { network, id, name, node, mac, createdAt: claimedAt }: Endpoint,
  ip: ReturnType<typeof parseIp>,
  end: { releasedAt?: string; end?: 'DETACHED' },
): Write {
  return put(keys.tenure(network, ip, claimedAt, id), {
    address: ip,
    endpointId: id,
    name,
    node,
    mac,
    claimedAt,
    ...end,
  })
}
