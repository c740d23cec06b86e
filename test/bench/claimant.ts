/** What of an agent claims: its registration, its view of some networks, its address pool; without a kernel. */
import { randomBytes } from 'node:crypto'
import { createGuard } from '../../agent/guard.ts'
import { createAddressPool } from '../../agent/ipam/address-pool.ts'
import { type ClaimParts, claim } from '../../agent/ipam/claim.ts'
import { register } from '../../agent/node/registration.ts'
import type { NetworkView } from '../../agent/state/view.ts'
import { readEndpoint, readNetwork } from '../../agent/view/records.ts'
import { Sync } from '../../agent/view/sync.ts'
import { View } from '../../agent/view/view.ts'
import { parseIp } from '../../lib/ip.ts'
import { createLogger } from '../../lib/log.ts'
import { retry } from '../../lib/retry.ts'
import type { Endpoint } from '../../proto/index.ts'
import { connect } from '../../store/connect.ts'
import { grouping } from '../../store/group-commit.ts'
import type { Store } from '../../store/store.ts'

export interface Claimant {
  readonly store: Store
  /** Milliseconds that it took, and what came of it. */
  claim(network: string): Promise<{ readonly milliseconds: number; readonly endpoint: Endpoint }>
  /** Transactions so far, of which each holds one or more claims. */
  commits(): number
  /** Endpoints of a network that the view shows. */
  known(network: string): number
  close(): Promise<void>
}

export interface ClaimantInput {
  readonly etcd: string
  readonly node: string
  readonly vtep: string
  readonly networks: readonly string[]
}

export async function createClaimant({ etcd, node, vtep, networks }: ClaimantInput): Promise<Claimant> {
  const log = createLogger('bench', 'error')
  const stopped = new AbortController()
  const inner = connect({ urls: [etcd], log })
  let commits = 0
  const store: Store = {
    ...inner,
    commit(transaction) {
      commits++
      return inner.commit(transaction)
    },
  }
  const claimStore = grouping(store)
  const record = { name: node, uid: node, vtepAddress: vtep, underlayMtu: 1500, version: 'bench' }
  // Others register at the same time.
  const again = { signal: stopped.signal, backoff: { first: 5, most: 100 } }
  const registration = await retry(() => register(store, record), again)
  const generation = registration.generation()
  const host = { node, bootId: 'bench', vtep: parseIp(vtep), underlayMtu: 1500, vxlanPort: 4789 }
  const self = { ...host, clusterUid: '', generation }
  const view = new View(self)
  const nothing = () => undefined
  const sync = new Sync({
    store,
    view,
    guard: createGuard(log, nothing),
    signal: stopped.signal,
    log,
    generation: () => registration.generation(),
    onDirty: nothing,
    onUnneeded: nothing,
    onOwnNode: nothing,
    onHistoryBroken: nothing,
    onLost: (error) => {
      throw error
    },
    onFailed: (error) => {
      throw error
    },
  })
  await sync.start(networks)
  const pool = createAddressPool({
    store,
    node,
    ownerOf: (network, ip) => view.ownerOf(network, ip),
    now: () => performance.now(),
  })
  const known = (network: string): NetworkView => {
    const found = view.network(network)
    if (!found) throw new Error(`the view has no network ${network}`)
    return found
  }
  const partsOf = (network: string): ClaimParts => ({
    store: claimStore,
    registration,
    network: () => known(network),
    onNetwork: (entry) => void view.setNetwork(readNetwork(entry)),
    pool,
    newId: () => randomBytes(16).toString('hex'),
    onAttempt: nothing,
    onRefused: nothing,
    meanwhile: nothing,
  })
  const sandbox = { kind: 'NAMESPACE', bootId: 'bench', cookie: '1', path: '/run/netns/bench' } as const
  const request = {
    name: '',
    mac: undefined,
    addresses: [],
    record: { node, ifname: 'eth0', labels: {}, gwPriority: 0, sandbox },
  }
  return {
    store,
    async claim(network) {
      const start = performance.now()
      const { value, revision } = await claim(partsOf(network), request)
      const milliseconds = performance.now() - start
      view.setEndpoint(readEndpoint({ value, createRevision: revision, modRevision: revision }))
      return { milliseconds, endpoint: value }
    },
    commits: () => commits,
    known: (network) => [...view.endpoints(network)].length,
    async close() {
      stopped.abort()
      await store.close()
    },
  }
}
