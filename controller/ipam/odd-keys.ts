/** Keys that no program of ours reads: their record cannot be read, or they are written as none of ours would be. */
import { isName } from '../../lib/names.ts'
import { removalOf as etcdctlRemoval } from '../../store/etcdctl.ts'
import type { Keys } from '../../store/keys.ts'
import { type Range, remove } from '../../store/store.ts'
import { type Claim, readClaim } from './claims.ts'
import type { Evidence } from './evidence.ts'
import { byPerson, byTransaction, type Suspicion, type Verdict } from './verdict.ts'

/**
 * Whether the path of a network's record can be a key of its range: of a
 * network that can be, and of an address, name or MAC as we write them. Only
 * such keys are ever asked for.
 */
export function isKeyOf(keys: Keys, path: string): boolean {
  const { range, name, rest } = partsOf(path.slice(keys.prefix.length))
  if (!isName(name)) return false
  switch (range) {
    case 'addresses':
    case 'released':
      return isWritten('address', rest)
    case 'names':
      return isWritten('name', rest)
    case 'macs':
      return isWritten('mac', rest)
    case 'history':
      return /^[^/]+\/[^/]+\/[^/]+$/.test(rest) && isWritten('address', rest.slice(0, rest.indexOf('/')))
    default:
      return !rest.includes('/')
  }
}

/** What is to be told of an odd key. `below`: the key below the prefix, which has a slash as no other subject has. */
export function oddKey(below: string): Pick<Suspicion, 'kind' | 'network' | 'subject' | 'node'> {
  const { range, name } = partsOf(below)
  const known = isName(name) ? name : ''
  const isOfNode = range === 'nodes' || range === 'sessions' || range === 'hostroutes'
  const isOfNetwork = !isOfNode && range !== 'vnis'
  return { kind: 'LEFTOVER', network: isOfNetwork ? known : '', subject: below, node: isOfNode ? known : '' }
}

/**
 * What cannot be read may be somebody's, so that a person decides. What nobody
 * would ever ask for may go.
 * @throws UnreadableError, which tells what to do
 */
export async function lookAtOddKey(keys: Keys, evidence: Evidence, below: string): Promise<Verdict | undefined> {
  const { range, name, rest } = partsOf(below)
  const there = rangesOf(keys)[range]
  if (!there) return undefined
  const key = { path: keys.prefix + below, type: there.type }
  if (!(await evidence.get(key)) || there.holds === 'record' || isKeyOf(keys, key.path)) return undefined
  if (!isName(name)) return ofPerson(key.path, 'is of no network that can be')
  const why = whyNone(there, rest)
  if (there.holds === 'endpoint') return ofPerson(key.path, why)
  return byTransaction(`key ${key.path} ${why}: nothing heeds it`, 'remove the key', remove(key))
}

function whyNone({ ending }: OddRange, rest: string): string {
  const claim = readClaim(rest)
  return claim && claim.subject !== rest
    ? `is not in its canonical form (${claim.subject})`
    : `does not end in ${ending}, as others there do`
}

function ofPerson(path: string, why: string): Verdict {
  return byPerson(`key ${path} ${why}: nothing heeds it`, `if it is not needed: ${etcdctlRemoval(path)}`)
}

interface OddRange extends Pick<Range<unknown>, 'type'> {
  /** Whose network is in the key: an endpoint, or what is told of one there as well; or something else. */
  readonly holds: 'endpoint' | 'reference' | 'record'
  /** For people: what follows the network in its keys. */
  readonly ending?: string
}

function rangesOf(keys: Keys): Readonly<Record<string, OddRange>> {
  return {
    networks: { ...keys.networks, holds: 'record' },
    endpoints: { ...keys.allEndpoints, holds: 'endpoint', ending: 'an endpoint id' },
    addresses: { ...keys.allAddresses, holds: 'reference', ending: 'an address' },
    names: { ...keys.allNames, holds: 'reference', ending: 'a name' },
    macs: { ...keys.allMacs, holds: 'reference', ending: 'a MAC' },
    released: { ...keys.allReleasedAddresses, holds: 'reference', ending: 'an address' },
    history: { ...keys.allHistory, holds: 'reference', ending: 'address, time and endpoint' },
    vnis: { ...keys.allVnis, holds: 'record' },
    nodes: { ...keys.nodes, holds: 'record' },
    sessions: { ...keys.sessions, holds: 'record' },
    hostroutes: { ...keys.hostRoutes, holds: 'record' },
  }
}

/** `name`: of a network or node, as the range has it. */
function partsOf(below: string): { readonly range: string; readonly name: string; readonly rest: string } {
  const [range = '', name = '', ...rest] = below.split('/')
  return { range, name, rest: rest.join('/') }
}

function isWritten(kind: Claim['kind'], text: string): boolean {
  const claim = readClaim(text)
  return claim?.kind === kind && claim.subject === text
}
