/** What the clients of a simulated cluster were told, and whether store, journal and kernels say the same. */
import { expect, vi } from 'vitest'
import type { TestCluster } from '../../agent/testing/cluster.ts'
import type { Endpoint } from '../../proto/index.ts'
import { partsBelow } from '../../store/keys.ts'
import type { SimulatedHost } from './simulated-cluster.ts'

/** Who was told that it has what, and did not begin to give it back. */
export interface Ledger {
  /** An attach was answered. What was given up before may go at any time: a workload that has it back is told nothing new. */
  given(endpoint: Endpoint): void
  /** From now on all that it holds may be another's. */
  giveUp(endpointId: string): void
  /** What two had at once. */
  readonly violations: readonly string[]
  /** What is held, and by whom. */
  readonly held: ReadonlyMap<string, string>
}

export function createLedger(): Ledger {
  const held = new Map<string, string>()
  const violations: string[] = []
  const givenUp = new Set<string>()
  return {
    held,
    violations,
    given(endpoint) {
      if (givenUp.has(endpoint.id)) return
      for (const key of holdings(endpoint)) {
        const other = held.get(key)
        if (other !== undefined && other !== endpoint.id)
          violations.push(`${key}: given to ${endpoint.id}, held by ${other}`)
        held.set(key, endpoint.id)
      }
    },
    giveUp(endpointId) {
      givenUp.add(endpointId)
      for (const [key, holder] of held) if (holder === endpointId) held.delete(key)
    },
  }
}

/** All that may have one owner only. */
function holdings({ networkUid, addresses, mac, name }: Endpoint): readonly string[] {
  return [...addresses, mac, ...(name ? [`name ${name}`] : [])].map((each) => `${networkUid} ${each}`)
}

/** What was acknowledged is in the store; what is owned there is owned by one of the endpoints, as the journal says. */
export async function expectNothingLost({ store }: TestCluster, { held }: Ledger): Promise<void> {
  const { keys } = store
  const { entries } = await store.list(keys.allEndpoints)
  const endpoints = entries.map(({ value }) => value)
  const here = new Map(endpoints.flatMap((endpoint) => holdings(endpoint).map((key) => [key, endpoint.id])))
  expect([...held].filter(([key, id]) => here.get(key) !== id)).toEqual([])

  const interfaces = endpoints.map(({ node, sandbox, ifname }) => `${node} ${sandbox?.cookie} ${ifname}`)
  expect(new Set(interfaces).size).toBe(endpoints.length)

  const owned = await store.list(keys.allAddresses)
  const ofEndpoints = owned.entries.filter(({ value }) => value.kind === 'ENDPOINT')
  const journal = await store.list(keys.allHistory)
  const lasting = journal.entries.filter(({ value }) => value.end === 'END_UNSPECIFIED')
  const line = (...parts: readonly string[]) => parts.join(' ')
  const expected = endpoints
    .flatMap(({ network, id, addresses }) => addresses.map((address) => line(network, address, id)))
    .toSorted()
  const owners = ofEndpoints.map(({ path, value }) => line(...partsBelow(keys.allAddresses, path), value.endpointId))
  expect(owners.toSorted()).toEqual(expected)
  const holders = lasting.map(({ path, value }) =>
    line(...partsBelow(keys.allHistory, path).slice(0, 2), value.endpointId),
  )
  expect(holders.toSorted()).toEqual(expected)
}

/** Each endpoint whose sandbox is there is plugged in, with the masks and the MTU that its network has by now. */
export async function expectPluggedIn({ store }: TestCluster, hosts: readonly SimulatedHost[]): Promise<void> {
  const { keys } = store
  const [endpoints, networks] = await Promise.all([store.list(keys.allEndpoints), store.list(keys.networks)])
  const isThere = ({ node, sandbox }: Endpoint) => {
    const kernel = hosts.find(({ name }) => name === node)?.host.kernel
    return sandbox !== null && kernel?.sandboxes.get(sandbox.path) === sandbox.cookie
  }
  const here = endpoints.entries.map(({ value }) => value).filter(isThere)
  const expected = here.map(({ network, node, ifname, mac, addresses }) => {
    const record = networks.entries.find(({ value }) => value.name === network)?.value
    const prefixes = addresses.map((address) => {
      const isIPv6 = address.includes(':')
      const subnet = record?.subnets.find(({ cidr }) => cidr.includes(':') === isIPv6)
      return `${address}/${subnet?.cidr.split('/')[1]}`
    })
    return [node, ifname, mac, record?.mtu, ...prefixes].join(' ')
  })
  const plugged = () =>
    hosts.flatMap(({ name, host }) =>
      [...host.kernel.items.values()].flatMap((item) => {
        if (item.kind !== 'veth' || !item.inside || !('netns' in item.inside)) return []
        const { ifname, mac, addresses } = item.inside
        return [[name, ifname, mac, item.mtu, ...addresses].join(' ')]
      }),
    )
  await vi.waitFor(() => expect(plugged().toSorted()).toEqual(expected.toSorted()), { timeout: 5_000, interval: 5 })
}
