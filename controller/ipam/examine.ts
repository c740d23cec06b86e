/**
 * Finds in one moment of the store what may be wrong. Pure. Each suspicion is
 * then looked at by itself (diagnose.ts): here nothing may be missed.
 */
import type { Network } from '../../proto/index.ts'
import { type Dispute, isOfItsNetwork, isSound, type Matching, match, pathOf } from './matching.ts'
import type { Moment, OwnerKey } from './moment.ts'
import { oddKey } from './odd-keys.ts'
import { isExpired, isOverdue, reservedAs, reservedIn } from './reserved.ts'
import type { Suspicion } from './verdict.ts'

type Suspicions = Generator<void, void>

/** Steps that yield often: of a large network there is much to look at. `now`: milliseconds since the epoch. */
export function* examine(moment: Moment, now: number): Generator<void, Suspicion[]> {
  const matching = yield* match(moment)
  const found: Suspicion[] = []
  const tell = (suspicion: Partial<Suspicion> & Pick<Suspicion, 'kind'>) =>
    void found.push({ network: '', subject: '', endpointId: '', node: '', ...suspicion })
  for (const below of moment.odd) tell(oddKey(below))
  for (const dispute of matching.disputes.values()) {
    yield
    if (!isOwnerOdd(moment, dispute)) ofDispute(dispute, tell)
  }
  yield* ownersWithoutEndpoint(moment, matching, now, tell)
  yield* ofPlacements(moment, matching, tell)
  yield* ofEndpoints(moment, matching, tell)
  reservedWithoutOwner(moment, matching, tell)
  yield* leftOfAddresses(moment, matching, now, tell)
  if (moment.only === undefined) {
    yield* leftOfNetworks(moment, tell)
    leftOfNodes(moment, tell)
  }
  return found
}

type Tell = (suspicion: Partial<Suspicion> & Pick<Suspicion, 'kind'>) => void

/** Told of already: who has it is not known. */
function isOwnerOdd({ odd }: Moment, { network, subject }: Pick<Dispute, 'network' | 'subject'>): boolean {
  return odd.size > 0 && ['addresses', 'names', 'macs'].some((range) => odd.has(`${range}/${network}/${subject}`))
}

/** Told of already: what it has is not known. */
function isEndpointOdd({ odd }: Moment, network: string, id: string): boolean {
  return odd.size > 0 && odd.has(`endpoints/${network}/${id}`)
}

/** There is such a network, whatever it is. */
function isNetwork({ networks, odd }: Moment, name: string): boolean {
  return networks.has(name) || odd.has(`networks/${name}`)
}

/** Where the key names one that has it, all others are too many; else all but the first. */
function ofDispute({ network, subject, endpoints, isOwned }: Dispute, tell: Tell): void {
  for (const [at, { below, value }] of endpoints.entries()) {
    const kind = at === 0 && !isOwned ? 'ENDPOINT_WITHOUT_OWNER' : 'DUPLICATE'
    tell({ kind, network, subject, endpointId: below, node: value.node })
  }
}

/** What an endpoint takes over when it is mended, and what the network keeps for itself, is not said twice. */
function* ownersWithoutEndpoint(moment: Moment, { strays, disputes }: Matching, now: number, tell: Tell): Suspicions {
  const { networks } = moment
  const isDisputed = ({ network, below }: OwnerKey) => disputes.has(pathOf(network, below))
  for (const key of strays.addresses) {
    yield
    const { network, below, value } = key
    const there = networks.get(network)
    if (!there || isDisputed(key) || reservedAs(there, below)) continue
    if (isEndpointOdd(moment, network, value.endpointId)) continue
    if (value.kind === 'RESERVATION' && !isExpired(value, now)) continue
    tell({ kind: 'OWNER_WITHOUT_ENDPOINT', network, subject: below, endpointId: value.endpointId, node: value.node })
  }
  for (const keys of [strays.names, strays.macs])
    for (const key of keys) {
      yield
      const { network, below, value } = key
      if (networks.has(network) && !isDisputed(key) && !isEndpointOdd(moment, network, value.endpointId))
        tell({ kind: 'OWNER_WITHOUT_ENDPOINT', network, subject: below, endpointId: value.endpointId })
    }
}

function* ofPlacements(moment: Moment, { strayPlacements }: Matching, tell: Tell): Suspicions {
  for (const { node, network, id } of strayPlacements) {
    yield
    if (moment.nodes.has(node) && !isEndpointOdd(moment, network, id))
      tell({ kind: 'OWNER_WITHOUT_ENDPOINT', network, endpointId: id, node })
  }
}

/**
 * Endpoints that their node does not list; those of another network than the one
 * that is there, or of a node that is no more and does not list them.
 */
function* ofEndpoints(moment: Moment, { placed }: Matching, tell: Tell): Suspicions {
  for (const held of moment.endpoints.values()) {
    yield
    const { network, below, value } = held
    const of = { network, endpointId: below, node: value.node }
    if (moment.odd.has(`networks/${network}`)) continue
    const isListed = placed.has(held)
    if (isSound(moment, held)) {
      if (!isListed) tell({ kind: 'ENDPOINT_WITHOUT_OWNER', ...of })
    } else if (!isListed || !isOfItsNetwork(moment, held)) tell({ kind: 'LEFTOVER', ...of })
  }
}

function reservedWithoutOwner(moment: Moment, { strays }: Matching, tell: Tell): void {
  const { networks, only } = moment
  const looked: readonly [string, Network][] = [...networks].filter(([name]) => only === undefined || name === only)
  const reserved = looked.flatMap(([network, record]) => reservedIn(record).map((each) => ({ network, ...each })))
  const wanted = new Set(reserved.map(({ network, ip }) => pathOf(network, ip)))
  // A key that names an endpoint which has it is no stray: then it is another's.
  const owners = new Map(
    strays.addresses.flatMap(({ network, below, value }) => {
      const path = pathOf(network, below)
      return wanted.has(path) ? [[path, value] as const] : []
    }),
  )
  for (const { network, ip, owner } of reserved) {
    if (isOwnerOdd(moment, { network, subject: ip })) continue
    const there = owners.get(pathOf(network, ip))
    if (there?.kind !== owner.kind || there.name !== owner.name)
      tell({ kind: 'RESERVED_WITHOUT_OWNER', network, subject: ip })
  }
}

/** Tenures that go on without their endpoint, and rests that never end. */
function* leftOfAddresses(moment: Moment, { strays }: Matching, now: number, tell: Tell): Suspicions {
  const { tenures, released, networks, endpoints } = moment
  // Where the address's key says so, too, it is told of that.
  const named = new Set<string>()
  for (const { network, below, value } of strays.addresses) {
    yield
    if (value.endpointId) named.add(pathOf(pathOf(network, below), value.endpointId))
  }
  for (const { network, below, value } of tenures) {
    yield
    const { endpointId } = value
    if (!networks.has(network) || endpoints.has(pathOf(network, endpointId))) continue
    if (isEndpointOdd(moment, network, endpointId)) continue
    const [ip = ''] = below.split('/')
    if (!named.has(pathOf(pathOf(network, ip), endpointId)))
      tell({ kind: 'LEFTOVER', network, subject: ip, endpointId })
  }
  for (const { network, below, value } of released) {
    yield
    if (networks.has(network) && isOverdue(value, now)) tell({ kind: 'LEFTOVER', network, subject: below })
  }
}

/** One for each network that is not there, one for each VNI that is not its network's. */
function* leftOfNetworks(moment: Moment, tell: Tell): Suspicions {
  const { networks, addresses, names, macs, released, journals, vnis } = moment
  const gone = new Set([...journals].filter((network) => !isNetwork(moment, network)))
  for (const keys of [addresses, names, macs, released])
    for (const { network } of keys) {
      yield
      if (!isNetwork(moment, network)) gone.add(network)
    }
  for (const network of gone) tell({ kind: 'LEFTOVER', network })
  for (const { vni, network } of vnis)
    if (String(networks.get(network)?.vni) !== vni && !moment.odd.has(`networks/${network}`))
      tell({ kind: 'LEFTOVER', network, subject: vni })
}

/** One for each node that is not there. */
function leftOfNodes({ placements, routed, nodes }: Moment, tell: Tell): void {
  const gone = new Set(routed.filter((node) => !nodes.has(node)))
  for (const { node } of placements) if (!nodes.has(node)) gone.add(node)
  for (const node of gone) tell({ kind: 'LEFTOVER', node })
}
