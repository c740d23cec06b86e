/** Endpoints that lack a key which names them, or have what another has. */
import type { Endpoint } from '../../proto/index.ts'
import { put, remove, type Store, type Write } from '../../store/store.ts'
import { type Claim, claimKey, claimText, hasClaim, readClaim } from './claims.ts'
import type { Sight } from './diagnose.ts'
import type { Evidence } from './evidence.ts'
import { reservedAs, reservedText } from './reserved.ts'
import { byPerson, byTransaction, type Suspicion, type Verdict } from './verdict.ts'

export async function endpointWithoutOwner(
  { store }: Sight,
  evidence: Evidence,
  { network, endpointId, subject }: Suspicion,
): Promise<Verdict | undefined> {
  const { keys } = store
  const [there, endpoint] = await Promise.all([
    evidence.get(keys.network(network)),
    evidence.get(keys.endpoint(network, endpointId)),
  ])
  if (!there || !endpoint || endpoint.value.networkUid !== there.value.uid) return undefined
  // Of a node that is no more nothing is added to.
  if (!(await evidence.get(keys.node(endpoint.value.node)))) return undefined
  if (subject === '') return withoutPlacement(store, evidence, network, endpointId, endpoint.value)
  const claim = readClaim(subject)
  if (!claim || !hasClaim(endpoint.value, claim)) return undefined
  const problem = `endpoint ${endpointId} has ${claimText(claim)}`
  const detach = `detach the endpoint (overlayctl detach --node ${endpoint.value.node} ${endpointId}) and attach it again`
  const reserved = claim.kind === 'address' ? reservedAs(there.value, claim.subject) : undefined
  if (reserved) return byPerson(`${problem}, which is ${reservedText(reserved)} of network ${network}`, detach)
  const obstacle = await obstacleTo(store, evidence, network, endpointId, claim)
  if (obstacle === 'none') return undefined
  if (obstacle) return byPerson(`${problem}, which is ${obstacle}`, detach)
  const writes = ownerWrites(store, network, endpointId, claim, endpoint.value.node)
  return byTransaction(`${problem}, but no key says so`, 'write the key again', ...writes)
}

/** Another endpoint has the same, and the key names that one, or, where it names none, that one was first. */
export async function duplicate(
  { store, firstWith }: Sight,
  evidence: Evidence,
  { network, endpointId, subject }: Suspicion,
): Promise<Verdict | undefined> {
  const claim = readClaim(subject)
  const endpoint = await evidence.get(store.keys.endpoint(network, endpointId))
  if (!endpoint || !claim || !hasClaim(endpoint.value, claim)) return undefined
  const owner = await evidence.get(claimKey(store.keys, network, claim))
  const other = owner && (await evidence.get(store.keys.endpoint(network, owner.value.endpointId)))
  const first = async () => {
    // Where no key tells.
    const path = await firstWith(network, claim)
    return path === undefined ? undefined : evidence.get({ ...store.keys.endpoint(network, ''), path })
  }
  const keeper = other && hasClaim(other.value, claim) ? other : await first()
  if (!keeper || keeper.path === endpoint.path) return undefined
  const { id, node } = keeper.value
  return byPerson(
    `endpoint ${endpointId} on node ${endpoint.value.node} has ${claimText(claim)}, which endpoint ${id} on node ${node} has`,
    `detach one of the two: ${endpointId} is not the owner (overlayctl detach --node ${endpoint.value.node} ${endpointId})`,
  )
}

async function withoutPlacement(
  store: Store,
  evidence: Evidence,
  network: string,
  endpointId: string,
  { node }: Endpoint,
): Promise<Verdict | undefined> {
  const key = store.keys.placement(node, network, endpointId)
  if (await evidence.get(key)) return undefined
  const problem = `endpoint ${endpointId} is on node ${node}, which does not list it`
  return byTransaction(problem, 'put it on the list', put(key, null))
}

/** Who has the key: `none` when it is the endpoint itself, or another that really has it; undefined when it may be written. */
async function obstacleTo(
  store: Store,
  evidence: Evidence,
  network: string,
  endpointId: string,
  claim: Claim,
): Promise<string | undefined> {
  if (claim.kind === 'address') {
    const owner = (await evidence.get(store.keys.address(network, claim.subject)))?.value
    if (owner?.kind === 'RESERVATION') return `reserved by node ${owner.node}`
    if (owner?.kind === 'KIND_UNSPECIFIED') return 'kept for an owner that this version does not know'
  }
  const owner = await evidence.get(claimKey(store.keys, network, claim))
  if (!owner) return undefined
  if (owner.value.endpointId === endpointId) return 'none'
  const other = await evidence.get(store.keys.endpoint(network, owner.value.endpointId))
  return other && hasClaim(other.value, claim) ? 'none' : undefined
}

function ownerWrites(store: Store, network: string, endpointId: string, claim: Claim, node: string): Write[] {
  const { keys } = store
  switch (claim.kind) {
    case 'address':
      return [
        put(keys.address(network, claim.subject), { kind: 'ENDPOINT', endpointId, node }),
        remove(keys.releasedAddress(network, claim.subject)),
      ]
    case 'name':
      return [put(keys.name(network, claim.subject), { endpointId })]
    case 'mac':
      return [put(keys.mac(network, claim.subject), { endpointId })]
  }
}
