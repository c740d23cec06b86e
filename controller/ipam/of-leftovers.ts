/** Keys of a network, VNI, node or endpoint that is not there. */
import type { Ip } from '../../lib/ip.ts'
import { partsBelow } from '../../store/keys.ts'
import { type Range, rangeEmpty, remove, removeRange, type Store } from '../../store/store.ts'
import { readClaim } from './claims.ts'
import type { Sight } from './diagnose.ts'
import type { Evidence } from './evidence.ts'
import { lookAtOddKey } from './odd-keys.ts'
import { removalOf } from './removal.ts'
import { isOverdue } from './reserved.ts'
import { endTenures } from './tenures.ts'
import { byPerson, byTransaction, type Suspicion, type Verdict } from './verdict.ts'

/** What is left tells which fields of the finding are set. */
export async function leftover(
  { store, now }: Sight,
  evidence: Evidence,
  { network, subject, endpointId, node }: Suspicion,
): Promise<Verdict | undefined> {
  if (subject.includes('/')) return lookAtOddKey(store.keys, evidence, subject)
  const claim = readClaim(subject)
  if (claim?.kind === 'address')
    return endpointId === ''
      ? ofRest(store, evidence, network, claim.subject, now)
      : ofTenure(store, evidence, network, claim.subject, endpointId)
  if (/^\d{1,8}$/.test(subject)) return ofVni(store, evidence, Number(subject))
  if (subject !== '') return undefined
  if (endpointId !== '') return ofEndpoint(store, evidence, network, endpointId)
  if (network !== '') return ofNetwork(store, evidence, network)
  return node === '' ? undefined : ofNode(store, evidence, node)
}

async function ofRest(store: Store, evidence: Evidence, network: string, ip: Ip, now: number) {
  const key = store.keys.releasedAddress(network, ip)
  const rest = await evidence.get(key)
  if (!rest || !isOverdue(rest.value, now)) return undefined
  const problem = `address ${ip} is still in quarantine, which was to end at ${rest.value.freeAt}`
  return byTransaction(problem, 'free the address', remove(key))
}

async function ofTenure(store: Store, evidence: Evidence, network: string, ip: Ip, endpointId: string) {
  const endpoint = await evidence.get(store.keys.endpoint(network, endpointId))
  const owner = await evidence.get(store.keys.address(network, ip))
  if (endpoint || owner?.value.endpointId === endpointId) return undefined
  const writes = await endTenures(store, evidence, { network, ip, endpointId }, 'REPAIRED')
  if (writes.length === 0) return undefined
  const problem = `the history of address ${ip} says that endpoint ${endpointId} still holds it, which is not there`
  return byTransaction(problem, 'end it in the history', ...writes)
}

async function ofVni(store: Store, evidence: Evidence, vni: number): Promise<Verdict | undefined> {
  const key = store.keys.vni(vni)
  const owner = await evidence.get(key)
  if (!owner) return undefined
  const { network } = owner.value
  const there = await evidence.get(store.keys.network(network))
  if (there?.value.vni === vni) return undefined
  const why = there ? `which has VNI ${there.value.vni}` : 'which is not there'
  return byTransaction(`VNI ${vni} is kept for network ${network}, ${why}`, 'free the VNI', remove(key))
}

/** An endpoint on a node is taken away by that node's agent only. */
async function ofEndpoint(
  store: Store,
  evidence: Evidence,
  network: string,
  endpointId: string,
): Promise<Verdict | undefined> {
  const { keys } = store
  const [there, endpoint] = await Promise.all([
    evidence.get(keys.network(network)),
    evidence.get(keys.endpoint(network, endpointId)),
  ])
  if (!endpoint) return undefined
  const { node, networkUid } = endpoint.value
  const [host, placement] = await Promise.all([
    evidence.get(keys.node(node)),
    evidence.get(keys.placement(node, network, endpointId)),
  ])
  // Those that the node lists are told of together.
  if (!host && placement) return undefined
  if (!host)
    return {
      problem: node
        ? `endpoint ${endpointId} is on node ${node}, which is not there`
        : `the record of endpoint ${endpointId} names no node`,
      remedy: {
        by: 'transaction',
        says: 'remove the endpoint; its addresses go into quarantine',
        prepare: () => removalOf(store, evidence, endpoint, 'REPAIRED'),
      },
    }
  if (there?.value.uid === networkUid) return undefined
  const why = there ? `an earlier network ${network}` : `network ${network}, which is not there`
  return byPerson(
    `endpoint ${endpointId} on node ${node} is of ${why}`,
    `detach it (overlayctl detach --node ${node} ${endpointId}); if its agent does not know it, remove the node (overlayctl node rm ${node}) and start its agent again`,
  )
}

async function ofNetwork(store: Store, evidence: Evidence, network: string): Promise<Verdict | undefined> {
  const { keys } = store
  if (await evidence.get(keys.network(network))) return undefined
  const ranges: readonly (readonly [one: string, many: string, range: Range<unknown>])[] = [
    ['address', 'addresses', keys.addresses(network)],
    ['name', 'names', keys.names(network)],
    ['MAC', 'MACs', keys.macs(network)],
    ['address in quarantine', 'addresses in quarantine', keys.releasedAddresses(network)],
    ['entry of the history', 'entries of the history', keys.history(network)],
  ]
  const [endpoints, ...counts] = await Promise.all(
    [keys.endpoints(network), ...ranges.map(([, , range]) => range)].map((range) => store.count(range)),
  )
  const kept = ranges.flatMap(([one, many], at) => {
    const count = counts[at] ?? 0
    return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`]
  })
  if (kept.length === 0) return undefined
  await Promise.all(ranges.map(([, , range]) => noteFirst(store, evidence, range)))
  const isOne = counts.reduce((sum, count) => sum + count, 0) === 1
  const problem = `${kept.join(', ')} ${isOne ? 'is' : 'are'} kept for network ${network}, which is not there`
  if (endpoints) {
    const them = endpoints === 1 ? '1 endpoint: detach it' : `${endpoints} endpoints: detach them`
    return byPerson(problem, `it has ${them} first, and repair again`)
  }
  evidence.note(rangeEmpty(keys.endpoints(network)))
  return byTransaction(problem, 'remove them', ...ranges.map(([, , range]) => removeRange(range)))
}

async function ofNode(store: Store, evidence: Evidence, node: string): Promise<Verdict | undefined> {
  const { keys } = store
  if (await evidence.get(keys.node(node))) return undefined
  const routes = await evidence.get({ ...keys.hostRoutesOf(node), type: null })
  const first = await noteFirst(store, evidence, keys.placements(node))
  if (!first && !routes) return undefined
  const [network] = first ? partsBelow(keys.placements(node), first.path) : []
  const what = first ? `endpoints (one of network ${network})` : 'routes'
  return {
    problem: `${what} are kept for node ${node}, which is not there`,
    remedy: { by: 'eviction', says: 'remove what the node has left; addresses go into quarantine', node },
  }
}

/** What is being removed meanwhile begins with another key at the next look. */
async function noteFirst(store: Store, evidence: Evidence, { prefix }: Range<unknown>) {
  const { entries } = await store.page<null>({ prefix, type: null }, { limit: 1 })
  const [first] = entries
  return first && evidence.get<null>({ path: first.path, type: null })
}
