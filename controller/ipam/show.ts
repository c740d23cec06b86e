/** How the addresses of a network are used. */
import { isIP } from 'node:net'
import { inSlices } from '../../lib/in-slices.ts'
import { type Cidr, type Ip, ipValue, parseCidr } from '../../lib/ip.ts'
import type {
  AddressOwner,
  AddressRun,
  Network,
  ShowIpamRequest,
  ShowIpamResponse,
  SubnetMap,
} from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Store } from '../../store/store.ts'
import { findNetwork } from '../networks/reference.ts'
import { reservedIn } from './reserved.ts'
import { subnetUsage } from './usage.ts'

type State = AddressRun['state']

/** In one subnet's map. */
const mostRuns = 65_536

/** @throws OverlayError `not_found`, `invalid` */
export async function showIpam(store: Store, request: ShowIpamRequest): Promise<ShowIpamResponse> {
  const { value: network } = await findNetwork(store, request.network)
  const addresses = store.keys.addresses(network.name)
  const resting = store.keys.releasedAddresses(network.name)
  const { entries: owners, revision } = await store.list(addresses)
  const { entries: rests } = await store.list(resting, { at: revision })
  const owned = owners.map(({ path, value }) => [partsBelow(addresses, path)[0] ?? '', stateOf(value)] as const)
  const released = rests.map(({ path }) => partsBelow(resting, path)[0] ?? '')
  return { network: { ...network, status: null }, subnets: await inSlices(mapsOf(network, owned, released)) }
}

/** In steps: of a large network there are many. */
function* mapsOf(
  network: Network,
  owned: readonly (readonly [string, State])[],
  released: readonly string[],
): Generator<void, SubnetMap[]> {
  const states = new Map<string, State>()
  // What is said last of an address holds.
  for (const text of released) states.set(text, 'QUARANTINED')
  for (const [text, state] of owned) states.set(text, state)
  for (const { ip, owner } of reservedIn(network)) states.set(ip, stateOf(owner))
  yield
  const usage = yield* subnetUsage(network, {
    owned: owned.map(([text]) => text),
    released,
    reservations: owned.flatMap(([text, state]) => (state === 'RESERVED' ? [text] : [])),
  })
  const maps: SubnetMap[] = []
  for (const [at, { cidr, ipRange }] of network.subnets.entries()) {
    const runs = yield* runsIn(parseCidr(cidr), states)
    maps.push({ usage: usage[at] ?? null, ipRange, runs: runs.slice(0, mostRuns) })
  }
  return maps
}

/** Neighbours of one state as one, in the order of the addresses. */
function* runsIn(cidr: Cidr, states: ReadonlyMap<string, State>): Generator<void, AddressRun[]> {
  const found: { ip: Ip; value: bigint; state: State }[] = []
  for (const [text, state] of states) {
    yield
    if (isIP(text) !== cidr.family) continue
    const ip = text as Ip
    const value = ipValue(ip)
    if (cidr.first <= value && value <= cidr.last) found.push({ ip, value, state })
  }
  found.sort((a, b) => (a.value < b.value ? -1 : 1))
  const runs: AddressRun[] = []
  let last: { readonly run: AddressRun; readonly value: bigint } | undefined
  for (const { ip, value, state } of found) {
    yield
    if (last?.run.state === state && last.value + 1n === value) {
      last.run.last = ip
      last = { run: last.run, value }
      continue
    }
    const run = { first: ip, last: ip, state }
    runs.push(run)
    last = { run, value }
  }
  return runs
}

function stateOf({ kind }: Pick<AddressOwner, 'kind'>): State {
  switch (kind) {
    case 'ENDPOINT':
      return 'USED'
    case 'GATEWAY':
      return 'GATEWAY'
    case 'AUXILIARY':
      return 'AUXILIARY'
    case 'RESERVATION':
      return 'RESERVED'
    case 'KIND_UNSPECIFIED':
      // An owner that this version does not know: taken, by whomever.
      return 'USED'
  }
}
