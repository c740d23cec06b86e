/** An address pool for tests, between a store and a view that the test fills. */
import { type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import { createKeys } from '../../store/keys.ts'
import type { Entry, Listing, Range } from '../../store/store.ts'
import { createAddressPool } from '../ipam/address-pool.ts'
import type { NetworkView } from '../state/view.ts'
import { networkOf } from './views.ts'

/** A pool over a /29, 10.0.9.1 being the gateway; free are .2 to .6. */
export function poolOf(
  subnets: readonly string[] = ['10.0.9.0/29'],
  wish: { ipRange?: string; aux?: readonly string[] } = {},
) {
  const keys = createKeys('/t/')
  const owned = new Set(['10.0.9.1'])
  const resting = new Map<string, { freeAt: string }>()
  const seen = new Set<string>()
  const clock = { now: 1_000 }
  let asked = 0
  const store = {
    keys,
    paths: async ({ prefix }: Range<unknown>) => {
      asked++
      return { paths: Array.from(owned, (address) => prefix + address), revision: 1 }
    },
    list: async <T>({ prefix }: Range<T>): Promise<Listing<T>> => {
      const entries = Array.from(resting, ([address, value], at) => ({
        path: prefix + address,
        value,
        modRevision: at,
      }))
      return { entries: entries as unknown as readonly Entry<T>[], unreadable: [], revision: 1 }
    },
  }
  const pool = createAddressPool({
    store,
    node: 'host-1',
    ownerOf: (_, ip) => (seen.has(ip) ? 'someone' : undefined),
    now: () => clock.now,
  })
  let network = withRange(networkOf('web', { subnets: [...subnets] }), wish)
  return {
    pool,
    owned,
    resting,
    seen,
    clock,
    /** How often the store was asked. */
    asked: () => asked,
    become: (other: readonly string[], wished: typeof wish = {}) => {
      network = withRange(networkOf('web', { subnets: [...other] }), wished)
    },
    choose: async (attempt = 0, requested: readonly string[] = []) =>
      (await pool.choose(network, requested.map(parseIp), attempt)).join(' '),
    /** As an endpoint of ours that is attached, and then detached. */
    own: (ip: string) => void seen.add(ip),
    giveBack: (ip: string) => {
      seen.delete(ip)
      pool.noteGone('web', parseIp(ip))
    },
  }
}

function withRange(network: NetworkView, { ipRange, aux = [] }: { ipRange?: string; aux?: readonly string[] }) {
  const [first, ...others] = network.subnets
  if (!first) return network
  const subnet = { ...first, ipRange: ipRange ? parseCidr(ipRange) : undefined, aux: new Set<Ip>(aux.map(parseIp)) }
  return { ...network, subnets: [subnet, ...others] }
}

/** What is free in it at first. */
export const hosts = ['10.0.9.2', '10.0.9.3', '10.0.9.4', '10.0.9.5', '10.0.9.6']

/** Chooses and owns, one after the other. */
export async function take(pool: ReturnType<typeof poolOf>, count: number): Promise<readonly string[]> {
  const chosen: string[] = []
  for (let n = 0; n < count; n++) {
    const ip = await pool.choose()
    pool.own(ip)
    chosen.push(ip)
  }
  return chosen
}
