/** All that is known of addresses, as it was at one moment. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { AddressOwner, Endpoint, Network, ReleasedAddress, VniOwner } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { Entry, Range, Store } from '../../store/store.ts'
import { isKeyOf } from './odd-keys.ts'
import { hasEnded } from './tenures.ts'

/** A record and where it was found. `below`: what follows the network in its key. */
export interface Placed<T> {
  readonly network: string
  readonly below: string
  readonly value: T
}

/** A key that names an endpoint as the owner of something. */
export type OwnerKey = Placed<{ readonly endpointId: string }>

/** An endpoint, by what it says that it has: of a large network there are many. */
export interface Held extends Placed<Pick<Endpoint, 'addresses' | 'name' | 'mac' | 'node' | 'networkUid'>> {
  readonly createRevision: number
}

export interface Moment {
  /** The one network that is looked at; undefined: all of them. */
  readonly only: string | undefined
  /** All networks, by name. */
  readonly networks: ReadonlyMap<string, Network>
  /** By `<network>/<endpoint-id>`. */
  readonly endpoints: ReadonlyMap<string, Held>
  readonly addresses: readonly Placed<AddressOwner>[]
  readonly names: readonly OwnerKey[]
  readonly macs: readonly OwnerKey[]
  readonly released: readonly Placed<ReleasedAddress>[]
  readonly placements: readonly { readonly node: string; readonly network: string; readonly id: string }[]
  /** By VNI: the network's name. */
  readonly vnis: readonly { readonly vni: string; readonly network: string }[]
  readonly nodes: ReadonlySet<string>
  readonly sessions: ReadonlySet<string>
  /** Nodes that have told of their routes. */
  readonly routed: readonly string[]
  /** Of the journal, which may be larger than all the rest, what has not ended. */
  readonly tenures: readonly OwnerKey[]
  /** The networks that have a journal. */
  readonly journals: ReadonlySet<string>
  /** Keys below the prefix whose record cannot be read, or that can be no key of their range: they are nowhere else. */
  readonly odd: ReadonlySet<string>
}

/** A large list takes its time: meanwhile the store may be compacted. */
const attempts = 3
/** Records read, and decoded, in one go. */
const pageSize = 1_000

/** @throws OverlayError `unavailable` */
export async function readMoment(store: Store, only: string | undefined): Promise<Moment> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(store, only)
    } catch (error) {
      if (!hasCode(error, 'conflict')) throw error
      if (attempt < attempts) continue
      throw new OverlayError(
        'unavailable',
        'the store is compacted faster than its addresses can be listed: compact it less often',
        { cause: error },
      )
    }
  }
}

async function readOnce(store: Store, only: string | undefined): Promise<Moment> {
  const { keys } = store
  const { entries, unreadable, revision } = await store.list(keys.networks)
  const odd = new Set<string>()
  const noteOdd = (path: string) => void odd.add(path.slice(keys.prefix.length))
  const noteOddOfAll = only === undefined ? noteOdd : () => {}
  unreadable.forEach(noteOddOfAll)
  const journals = new Set<string>()
  const endpoints = new Map<string, Held>()
  const tenures: OwnerKey[] = []
  /** Of one network the part of the whole range that is its own; of each record what is kept of it. */
  const each = async <T>(range: Range<T>, take: (entry: Entry<T>, network: string, below: string) => void) => {
    const part = only === undefined ? range : { ...range, prefix: `${range.prefix}${only}/` }
    const takeFitting = (entry: Entry<T>) => {
      if (!isKeyOf(keys, entry.path)) return noteOdd(entry.path)
      const rest = entry.path.slice(range.prefix.length)
      const at = rest.indexOf('/')
      take(entry, rest.slice(0, at), rest.slice(at + 1))
    }
    await eachAt(store, part, revision, takeFitting, noteOdd)
  }
  const placed = async <T>(range: Range<T>) => {
    const all: Placed<T>[] = []
    await each(range, ({ value }, network, below) => void all.push({ network, below, value }))
    return all
  }
  /** Whether they are there is what counts, readable or not. */
  const firstParts = async <T>(range: Range<T>) => {
    const all: string[] = []
    const take = (path: string) => void all.push(partsBelow(range, path)[0] ?? '')
    const takeOdd = (path: string) => {
      take(path)
      noteOddOfAll(path)
    }
    await eachAt(store, range, revision, ({ path }) => take(path), takeOdd)
    return all
  }
  // One after the other: decoded together, they would keep each other's answers waiting.
  await each(keys.allEndpoints, ({ value, createRevision }, network, below) => {
    const { addresses, name, mac, node, networkUid } = value
    const held = { network, below, value: { addresses, name, mac, node, networkUid }, createRevision }
    endpoints.set(`${network}/${below}`, held)
  })
  const addresses = await placed(keys.allAddresses)
  const names = await placed(keys.allNames)
  const macs = await placed(keys.allMacs)
  const released = await placed(keys.allReleasedAddresses)
  await each(keys.allHistory, ({ value }, network, below) => {
    journals.add(network)
    if (!hasEnded(value)) tenures.push({ network, below, value: { endpointId: value.endpointId } })
  })
  const placements: Moment['placements'][number][] = []
  await eachAt(store, keys.allPlacements, revision, ({ path }) => {
    const [node = '', network = '', id = ''] = partsBelow(keys.allPlacements, path)
    if (only === undefined || network === only) placements.push({ node, network, id })
  })
  const vnis: Moment['vnis'][number][] = []
  const takeVni = ({ path, value: { network } }: Entry<VniOwner>) => {
    vnis.push({ vni: partsBelow(keys.allVnis, path)[0] ?? '', network })
  }
  await eachAt(store, keys.allVnis, revision, takeVni, noteOddOfAll)
  return {
    only,
    networks: new Map(entries.map(({ value, path }) => [partsBelow(keys.networks, path)[0] ?? '', value])),
    endpoints,
    addresses,
    names,
    macs,
    released,
    placements,
    vnis,
    nodes: new Set(await firstParts(keys.nodes)),
    sessions: new Set(await firstParts(keys.sessions)),
    routed: await firstParts(keys.hostRoutes),
    tenures,
    journals,
    odd,
  }
}

/** Page by page, the next one on its way meanwhile, with a turn for others in between. */
async function eachAt<T>(
  store: Store,
  range: Range<T>,
  at: number,
  take: (entry: Entry<T>) => void,
  takeUnreadable: (path: string) => void = () => {},
): Promise<void> {
  const read = (after?: string) => store.page(range, { limit: pageSize, at, after })
  for (let reading = read(); ; ) {
    const { entries, unreadable, next } = await reading
    if (next !== undefined) {
      reading = read(next)
      // Not unhandled, should `take` throw first.
      reading.catch(() => undefined)
    }
    for (const entry of entries) take(entry)
    for (const path of unreadable) takeUnreadable(path)
    if (next === undefined) return
    await nextTurn()
  }
}
