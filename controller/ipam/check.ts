/** Finds what contradicts itself: owners without endpoints, endpoints without owners, strangers on links. */
import { setMaxListeners } from 'node:events'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { inSlices } from '../../lib/in-slices.ts'
import { mapParallel } from '../../lib/parallel.ts'
import type { CheckIpamRequest, CheckIpamResponse, Finding, LinkAddresses } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { AgentLinks } from '../agent-links.ts'
import { findNetwork } from '../networks/reference.ts'
import { readClaim } from './claims.ts'
import { confirm } from './confirm.ts'
import { examine } from './examine.ts'
import { askLinks, sightBy } from './look.ts'
import { pathOf, saysItHas } from './matching.ts'
import { type Moment, readMoment } from './moment.ts'
import { strangers } from './of-links.ts'
import type { Suspicion } from './verdict.ts'

export interface IpamParts {
  readonly store: Store
  readonly links: Pick<AgentLinks, 'ask' | 'isConnected'>
  /** Milliseconds between two looks at the same; for tests. */
  readonly waits?: Waits
  /** Looked at in one check; default 2000. For tests. */
  readonly mostSuspicions?: number
}

/** What is being done meanwhile is done by then. */
export interface Waits {
  /** Records of the store: each change is one transaction. */
  readonly records: number
  /** What a removed node leaves: its removal has many steps, and the janitor goes on with it. */
  readonly nodes: number
  /** The kernel's work of an attach or detach: a link may be there before its record, for as long as the store takes. */
  readonly links: number
}

const usualWaits: Waits = { records: 250, nodes: 5_000, links: 4_000 }

/** Looked at in one check. More would be no list for people, nor fit into one request for repair. */
const usualMost = 2_000
/** Nodes asked at a time. */
const nodesAtOnce = 16

/**
 * The store is read as it was at one moment, in which no transaction is half
 * done; what looks wrong there, or on the links, is looked at again by itself
 * until it was seen twice with nothing of it changed.
 * @throws OverlayError `not_found`; `deadline` when there is no time for that.
 */
export async function checkIpam(
  parts: IpamParts,
  request: CheckIpamRequest,
  signal: AbortSignal,
): Promise<CheckIpamResponse> {
  const { store } = parts
  // Every question to a host listens: many are no leak.
  setMaxListeners(0, signal)
  const only = request.network === '' ? undefined : (await findNetwork(store, request.network)).value.name
  const moment = await readMoment(store, only)
  const [records, links] = await Promise.all([checkRecords(parts, moment, signal), checkLinks(parts, moment, signal)])
  return {
    findings: [...records, ...links.findings].toSorted(byPlace),
    networksChecked: only === undefined ? moment.networks.size : 1,
    addressesChecked: moment.addresses.length,
    nodesChecked: links.checked.toSorted(),
    nodesMissed: links.missed.toSorted(),
  }
}

async function checkRecords(parts: IpamParts, moment: Moment, signal: AbortSignal): Promise<Finding[]> {
  const { waits = usualWaits, mostSuspicions = usualMost } = parts
  const all = await inSlices(examine(moment, Date.now()))
  const suspicions = all.slice(0, mostSuspicions)
  const ofNodes = suspicions.filter((one) => one.kind === 'LEFTOVER' && one.network === '' && one.subject === '')
  const others = suspicions.filter((suspicion) => !ofNodes.includes(suspicion))
  const look = () => sightBy(parts, signal)
  const found = await Promise.all([
    confirm(others, look, waits.records, signal),
    confirm(ofNodes, look, waits.nodes, signal),
  ])
  return sayHowManyMore(found.flat(), all.length - suspicions.length)
}

interface CheckedLinks {
  readonly findings: readonly Finding[]
  readonly checked: readonly string[]
  readonly missed: readonly string[]
}

/** Of all nodes: one without endpoints may have a link that should be gone. */
async function checkLinks(parts: IpamParts, moment: Moment, signal: AbortSignal): Promise<CheckedLinks> {
  const { waits = usualWaits, mostSuspicions = usualMost } = parts
  const { networks, endpoints, sessions, nodes, only } = moment
  const known = {
    network: (name: string) => networks.get(name),
    owns: (node: string, network: string, id: string, address: string) => {
      const endpoint = endpoints.get(pathOf(network, id))?.value
      const claim = readClaim(address)
      return claim !== undefined && endpoint?.node === node && saysItHas(endpoint, claim.subject)
    },
  }
  const findings: Finding[] = []
  const checked: string[] = []
  const missed: string[] = []
  const checkNode = async (node: string) => {
    try {
      if (!sessions.has(node)) throw new OverlayError('unavailable', 'not alive')
      const links = await askLinks(parts, node, only ?? '', signal)
      const suspicions = strangers(node, ofNetwork(links, only), known).slice(0, mostSuspicions)
      findings.push(...(await confirm(suspicions, () => sightBy(parts, signal), waits.links, signal)))
      checked.push(node)
    } catch (error) {
      missed.push(`${node}: ${whyMissed(node, error)}`)
    }
  }
  await mapParallel([...nodes], nodesAtOnce, checkNode)
  return { findings, checked, missed }
}

function ofNetwork(links: readonly LinkAddresses[], only: string | undefined): readonly LinkAddresses[] {
  return only === undefined ? links : links.filter(({ network }) => network === only)
}

function whyMissed(node: string, error: unknown): string {
  if (hasCode(error, 'deadline')) return 'it has not answered in time'
  return OverlayError.from(error).message.replace(`node ${node}: `, '')
}

/** The last one says so: a person sees it, and a program still has what it can repair. */
function sayHowManyMore(findings: readonly Finding[], more: number): Finding[] {
  if (more === 0) return [...findings]
  const note = `; ${more} more suspicions were not looked at: repair these, and check again`
  return findings.map((finding, at) =>
    at === findings.length - 1 ? { ...finding, problem: `${finding.problem}${note}` } : finding,
  )
}

const order: readonly Suspicion['kind'][] = [
  'DUPLICATE',
  'ENDPOINT_WITHOUT_OWNER',
  'OWNER_WITHOUT_ENDPOINT',
  'RESERVED_WITHOUT_OWNER',
  'UNOWNED_ON_LINK',
  'LEFTOVER',
  'KIND_UNSPECIFIED',
]

/** By network, then kind. */
function byPlace(a: Finding, b: Finding): number {
  const compare = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0)
  return (
    compare(a.network, b.network) ||
    order.indexOf(a.kind) - order.indexOf(b.kind) ||
    compare(a.subject, b.subject) ||
    compare(a.endpointId, b.endpointId) ||
    compare(a.node, b.node)
  )
}
