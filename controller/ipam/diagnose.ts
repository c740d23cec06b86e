/**
 * Looks at one suspicion by itself, with fresh reads: whether it is so now, and
 * what would mend it. What check tells and what repair does is decided here.
 */
import type { LinkAddresses } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { Claim } from './claims.ts'
import { createEvidence, type Evidence, UnreadableError } from './evidence.ts'
import { duplicate, endpointWithoutOwner } from './of-endpoints.ts'
import { leftover } from './of-leftovers.ts'
import { unownedOnLink } from './of-links.ts'
import { ownerWithoutEndpoint, reservedWithoutOwner } from './of-owners.ts'
import { byPerson, type Diagnosis, type Suspicion, type Verdict } from './verdict.ts'

/** What a look needs. */
export interface Sight {
  readonly store: Store
  /** Reads what many suspicions share, a network's record, once in this look. */
  readonly reader: Pick<Store, 'get'>
  /** What is on the node's links of that network, asked at most once in this look. */
  readonly linksOf: (node: string, network: string) => Promise<readonly LinkAddresses[]>
  /** The nodes that the endpoint's addresses and placements name, from one list of them in this look: it may have no record. */
  readonly lastNodesOf: (network: string, endpointId: string) => Promise<readonly string[]>
  /** The path of the endpoint that was the first to have it; lists the network, at most once in this look. */
  readonly firstWith: (network: string, claim: Claim) => Promise<string | undefined>
  /** Milliseconds since the epoch. */
  readonly now: number
}

type Look = (sight: Sight, evidence: Evidence, suspicion: Suspicion) => Promise<Verdict | undefined>

/** Undefined: it is not so, or not any more. @throws OverlayError of the store, or of the agent asked */
export async function diagnose(sight: Sight, suspicion: Suspicion): Promise<Diagnosis | undefined> {
  const evidence = createEvidence(sight.reader)
  const verdict = await lookFor(suspicion.kind)(sight, evidence, suspicion).catch((error: unknown) => {
    if (error instanceof UnreadableError) return byPerson(error.message, '')
    throw error
  })
  if (!verdict) return undefined
  const { problem, remedy } = verdict
  const { kind, network, subject, endpointId, node } = suspicion
  const { says } = remedy
  const words =
    remedy.by === 'person' ? { problem: says ? `${problem}; ${says}` : problem, repair: '' } : { problem, repair: says }
  return {
    finding: { kind, network, subject, endpointId, node, ...words },
    remedy,
    evidence,
  }
}

function lookFor(kind: Suspicion['kind']): Look {
  switch (kind) {
    case 'OWNER_WITHOUT_ENDPOINT':
      return ownerWithoutEndpoint
    case 'ENDPOINT_WITHOUT_OWNER':
      return endpointWithoutOwner
    case 'DUPLICATE':
      return duplicate
    case 'UNOWNED_ON_LINK':
      return unownedOnLink
    case 'RESERVED_WITHOUT_OWNER':
      return reservedWithoutOwner
    case 'LEFTOVER':
      return leftover
    case 'KIND_UNSPECIFIED':
      return async () => undefined
  }
}
