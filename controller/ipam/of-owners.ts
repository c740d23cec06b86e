/** Keys whose endpoint is not there, and addresses of the network itself that have no key. */
import type { Ip } from '../../lib/ip.ts'
import type { AddressOwner } from '../../proto/index.ts'
import { put, remove, type Store } from '../../store/store.ts'
import { type Claim, claimKey, claimText, hasClaim, readClaim } from './claims.ts'
import type { Sight } from './diagnose.ts'
import type { Evidence } from './evidence.ts'
import { keptWhileItLives } from './of-links.ts'
import { isExpired, reservedAs, reservedText } from './reserved.ts'
import { endTenures } from './tenures.ts'
import { byPerson, byTransaction, type Suspicion, type Verdict } from './verdict.ts'

export async function ownerWithoutEndpoint(
  sight: Sight,
  evidence: Evidence,
  suspicion: Suspicion,
): Promise<Verdict | undefined> {
  if (suspicion.subject === '') return strayPlacement(sight, evidence, suspicion)
  const claim = readClaim(suspicion.subject)
  return claim?.kind === 'address'
    ? strayAddress(sight, evidence, suspicion, claim.subject)
    : claim && strayReference(sight, evidence, suspicion, claim)
}

async function strayPlacement(
  sight: Sight,
  evidence: Evidence,
  { network, endpointId, node }: Suspicion,
): Promise<Verdict | undefined> {
  const { keys } = sight.store
  const key = keys.placement(node, network, endpointId)
  const endpointKey = keys.endpoint(network, endpointId)
  const [placement, endpoint] = await Promise.all([evidence.get(key), evidence.get(endpointKey)])
  if (!placement || endpoint?.value.node === node) return undefined
  const why = endpoint ? `which is on node ${endpoint.value.node}` : 'which is not there'
  const problem = `node ${node} lists endpoint ${endpointId}, ${why}`
  const places = endpoint ? [] : [{ network, endpointId, node }]
  const kept = await keptWhileItLives(sight, evidence, places, problem)
  return kept ?? byTransaction(problem, 'take it off the list', remove(key))
}

async function strayReference(
  sight: Sight,
  evidence: Evidence,
  { network, endpointId }: Suspicion,
  claim: Claim,
): Promise<Verdict | undefined> {
  const { store } = sight
  const key = claimKey(store.keys, network, claim)
  const [there, owner] = await Promise.all([evidence.get(store.keys.network(network)), evidence.get(key)])
  if (!there || owner?.value.endpointId !== endpointId) return undefined
  const why = await whyNotOf(store, evidence, network, endpointId, claim)
  if (why === undefined) return undefined
  const problem = `${claimText(claim)} is kept for endpoint ${endpointId}, ${why}`
  const isThere = (await evidence.get(store.keys.endpoint(network, endpointId))) !== undefined
  // The key itself does not tell where it was.
  const nodes = isThere ? [] : await sight.lastNodesOf(network, endpointId)
  const places = nodes.map((node) => ({ network, endpointId, node }))
  const kept = await keptWhileItLives(sight, evidence, places, problem)
  return kept ?? byTransaction(problem, `free the ${claim.kind === 'mac' ? 'MAC' : claim.kind}`, remove(key))
}

async function strayAddress(
  sight: Sight,
  evidence: Evidence,
  { network, endpointId, node }: Suspicion,
  ip: Ip,
): Promise<Verdict | undefined> {
  const { store, now } = sight
  const { keys } = store
  const key = keys.address(network, ip)
  const [there, entry] = await Promise.all([evidence.get(keys.network(network)), evidence.get(key)])
  const owner = entry?.value
  // What the network keeps for itself has a finding of its own.
  if (!there || !owner || owner.endpointId !== endpointId || reservedAs(there.value, ip)) return undefined
  const free = (problem: string) => byTransaction(problem, 'free the address', remove(key))
  switch (owner.kind) {
    case 'ENDPOINT': {
      const claim = { kind: 'address', subject: ip } as const
      const why = await whyNotOf(store, evidence, network, endpointId, claim)
      if (why === undefined) return undefined
      const problem = `address ${ip} belongs to endpoint ${endpointId}${owner.node && ` of node ${owner.node}`}, ${why}`
      const lastNode = owner.node || node
      const nodes = lastNode ? [lastNode] : await sight.lastNodesOf(network, endpointId)
      const kept = await keptWhileItLives(
        sight,
        evidence,
        nodes.map((each) => ({ network, endpointId, node: each, ip })),
        problem,
        `, or, if you know that nobody has the address: overlayctl ipam release ${network} ${ip}`,
      )
      if (kept) return kept
      const prepare = async () => ({
        writes: [remove(key), ...(await endTenures(store, evidence, { network, ip, endpointId }, 'REPAIRED'))],
        resting: [{ network, ip, node: lastNode }],
      })
      return {
        problem,
        remedy: { by: 'transaction', says: 'release the address, into quarantine', prepare },
      }
    }
    case 'GATEWAY':
    case 'AUXILIARY':
      return free(`address ${ip} is kept as ${reservedText(owner)}, which network ${network} has not there`)
    case 'RESERVATION':
      return isExpired(owner, now)
        ? free(`address ${ip} is reserved by node ${owner.node}, which was to end at ${owner.expiresAt}`)
        : undefined
    case 'KIND_UNSPECIFIED':
      return byPerson(
        `address ${ip} has an owner that this version does not know`,
        'look at its key with etcdctl get, and run "overlayctl ipam check" of the newest version',
      )
  }
}

/** A gateway or auxiliary address whose key is missing or another's. */
export async function reservedWithoutOwner(
  { store }: Sight,
  evidence: Evidence,
  { network, subject }: Suspicion,
): Promise<Verdict | undefined> {
  const { keys } = store
  const claim = readClaim(subject)
  const there = await evidence.get(keys.network(network))
  if (!there || claim?.kind !== 'address') return undefined
  const ip = claim.subject
  const reserved = reservedAs(there.value, ip)
  const entry = await evidence.get(keys.address(network, ip))
  if (!reserved || (entry?.value.kind === reserved.kind && entry.value.name === reserved.name)) return undefined
  const what = `address ${ip} is ${reservedText(reserved)} of network ${network}`
  const keep = (problem: string) =>
    byTransaction(
      problem,
      `keep the address for ${reservedText(reserved)}`,
      put(keys.address(network, ip), reserved),
      remove(keys.releasedAddress(network, ip)),
    )
  if (!entry) return keep(`${what}, but not kept for it`)
  const user = await userOf(store, evidence, network, ip, entry.value)
  if (user === undefined) return keep(`${what}, but its key names another owner`)
  return byPerson(
    `${what}, but endpoint ${user.id} has it`,
    `detach that endpoint (overlayctl detach --node ${user.node} ${user.id}), and repair again`,
  )
}

/** Why it is not the endpoint's; undefined when it is. */
async function whyNotOf(
  store: Store,
  evidence: Evidence,
  network: string,
  endpointId: string,
  claim: Claim,
): Promise<string | undefined> {
  const endpoint = await evidence.get(store.keys.endpoint(network, endpointId))
  if (!endpoint) return 'which is not there'
  return hasClaim(endpoint.value, claim) ? undefined : 'which does not have it'
}

/** The endpoint that has an address which the network keeps for itself. */
async function userOf(store: Store, evidence: Evidence, network: string, ip: Ip, { kind, endpointId }: AddressOwner) {
  if (kind !== 'ENDPOINT') return undefined
  const endpoint = (await evidence.get(store.keys.endpoint(network, endpointId)))?.value
  return endpoint && hasClaim(endpoint, { kind: 'address', subject: ip })
    ? { id: endpointId, node: endpoint.node }
    : undefined
}
