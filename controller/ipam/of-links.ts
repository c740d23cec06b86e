/** Addresses on the links of hosts that the store knows nothing of. */
import { OverlayError } from '../../lib/errors.ts'
import type { Ip } from '../../lib/ip.ts'
import type { LinkAddresses, Network } from '../../proto/index.ts'
import { type Claim, hasClaim, readClaim } from './claims.ts'
import type { Sight } from './diagnose.ts'
import type { Evidence } from './evidence.ts'
import { reservedAs, reservedText } from './reserved.ts'
import { byPerson, type Suspicion, type Verdict } from './verdict.ts'

/** Those that are not right by what the moment says. A bridge has the gateways' addresses. */
export function strangers(
  node: string,
  links: readonly LinkAddresses[],
  moment: {
    readonly network: (name: string) => Network | undefined
    readonly owns: (node: string, network: string, endpointId: string, address: string) => boolean
  },
): Suspicion[] {
  return links.flatMap(({ network, endpointId, addresses }) =>
    addresses
      .filter((address) =>
        endpointId === ''
          ? !isGateway(moment.network(network), address)
          : !moment.owns(node, network, endpointId, address),
      )
      .map((subject) => ({ kind: 'UNOWNED_ON_LINK', network, subject, endpointId, node })),
  )
}

export async function unownedOnLink(
  sight: Sight,
  evidence: Evidence,
  suspicion: Suspicion,
): Promise<Verdict | undefined> {
  const { network, subject, endpointId, node } = suspicion
  const claim = readClaim(subject)
  if (claim?.kind !== 'address') return undefined
  const links = await sight.linksOf(node, network)
  const link = linkWith(links, network, endpointId, claim)
  if (!link) return undefined
  // Only now: what was claimed before we looked at the link is known.
  const { keys } = sight.store
  const there = await evidence.get(keys.network(network))
  if (endpointId === '') {
    if (isGateway(there?.value, subject)) return undefined
    const owner = await ownerText(sight, evidence, suspicion, claim, there?.value)
    return byPerson(
      `the bridge ${link.device} has address ${subject}, which is ${owner}`,
      `on node ${node}: ip addr del ${subject} dev ${link.device}, with the prefix that "ip addr show" names`,
    )
  }
  const endpoint = await evidence.get(keys.endpoint(network, endpointId))
  const isHere = endpoint?.value.node === node
  if (isHere && hasClaim(endpoint.value, claim)) return undefined
  const owner = await ownerText(sight, evidence, suspicion, claim, there?.value)
  return isHere
    ? byPerson(
        `the sandbox of endpoint ${endpointId} (${link.device}) has address ${subject}, which is ${owner}`,
        `remove the address in that sandbox (ip addr del), or detach the endpoint (overlayctl detach --node ${node} ${endpointId})`,
      )
    : byPerson(
        `the link ${link.device} of endpoint ${endpointId}, which is ${endpoint ? `on node ${endpoint.value.node}` : 'not there'}, has address ${subject}, which is ${owner}`,
        detachThere(node, link),
      )
}

function isGateway(network: Network | undefined, address: string): boolean {
  const claim = readClaim(address)
  return network !== undefined && claim !== undefined && reservedAs(network, claim.subject)?.kind === 'GATEWAY'
}

/** An endpoint and where it was last; of its addresses the one that is meant, or its link, whatever it has. */
export interface LastPlace extends Pick<Suspicion, 'network' | 'endpointId' | 'node'> {
  readonly ip?: Ip
}

/**
 * Why an address is in use whose endpoint has no record, or not of it: it may
 * live on, as the agent takes a link away only when it knows why. `unseen` when
 * the node cannot be asked; undefined when it has no such link, or is no more.
 */
export async function useOnLink(
  sight: Sight,
  evidence: Evidence,
  { network, endpointId, node, ip }: LastPlace,
): Promise<{ readonly unseen: string } | { readonly device: string; readonly says: string } | undefined> {
  if (node === '' || !(await evidence.get(sight.store.keys.node(node)))) return undefined
  try {
    const links = await sight.linksOf(node, network)
    const ofEndpoint = links.filter((each) => each.network === network && each.endpointId === endpointId)
    // Without any address: its sandbox could not be looked into.
    const link =
      ip === undefined
        ? ofEndpoint[0]
        : (linkWith(links, network, endpointId, { kind: 'address', subject: ip }) ??
          ofEndpoint.find(({ addresses }) => addresses.length === 0))
    return link && { device: link.device, says: detachThere(node, link) }
  } catch (error) {
    return { unseen: OverlayError.from(error).message.replace(`node ${node}: `, '') }
  }
}

/**
 * That nothing may go of an endpoint without a record, because it lives on, or
 * may; undefined: it may go. `orElse`: what else a person can do.
 */
export async function keptWhileItLives(
  sight: Sight,
  evidence: Evidence,
  places: readonly LastPlace[],
  problem: string,
  orElse = '',
): Promise<Verdict | undefined> {
  for (const place of places) {
    const use = await useOnLink(sight, evidence, place)
    if (!use) continue
    if ('device' in use) return byPerson(`${problem}, but its link ${use.device} is still there`, use.says)
    const { node } = place
    return byPerson(
      problem,
      `whether it lives on cannot be seen on node ${node} (${use.unseen}): start its agent${orElse ? ',' : ', or'} remove the node (overlayctl node rm ${node})${orElse}`,
    )
  }
  return undefined
}

/** Its agent takes it away when it is told to, not because the store lacks the endpoint. */
function detachThere(node: string, { endpointId, device }: LinkAddresses): string {
  return `on node ${node}: overlayctl detach ${endpointId}; should its agent not know it: ip link del ${device}`
}

function linkWith(links: readonly LinkAddresses[], network: string, endpointId: string, { subject }: Claim) {
  return links.find(
    (link) =>
      link.network === network &&
      link.endpointId === endpointId &&
      link.addresses.some((address) => readClaim(address)?.subject === subject),
  )
}

/** Whose the address is by the store. */
async function ownerText(
  { store }: Sight,
  evidence: Evidence,
  { network }: Suspicion,
  claim: Claim & { kind: 'address' },
  there: Network | undefined,
): Promise<string> {
  const reserved = there && reservedAs(there, claim.subject)
  if (reserved) return `${reservedText(reserved)} of network ${network}`
  const owner = (await evidence.get(store.keys.address(network, claim.subject)))?.value
  if (owner?.kind === 'ENDPOINT') return `endpoint ${owner.endpointId}'s${owner.node && ` on node ${owner.node}`}`
  if (owner?.kind === 'RESERVATION') return `reserved by node ${owner.node}`
  return "nobody's"
}
