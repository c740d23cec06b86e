/** Everything that endpoints leave behind: keys, interfaces, intents. */
import { expect } from 'vitest'
import type { Endpoint } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'
import { keysBelow } from './store-content.ts'

/** Sorted texts, each with the endpoint's id in it. */
export interface Traces {
  readonly endpoints: readonly string[]
  readonly addresses: readonly string[]
  readonly names: readonly string[]
  readonly macs: readonly string[]
  readonly placements: readonly string[]
  /** Ours on the hosts, by their aliases; one without an alias is there by its name. */
  readonly interfaces: readonly string[]
  readonly intents: readonly string[]
}

/** What there is of a network's endpoints, on all hosts. */
export async function traces(lab: Lab, network: string): Promise<Traces> {
  const [keys, interfaces, intents] = await Promise.all([
    keysBelow(lab.etcd),
    Promise.all(lab.hosts.map(interfacesOf)),
    Promise.all(lab.hosts.map(intentsOf)),
  ])
  const of = (kind: string) => keys.filter(({ path }) => path.startsWith(`${kind}/${network}/`))
  const owned = (kind: string) => of(kind).flatMap(({ path, value }) => ownedText(path, value['endpointId']))
  return {
    endpoints: of('endpoints').map(({ path }) => lastPart(path)),
    addresses: owned('addresses').toSorted(),
    names: owned('names').toSorted(),
    macs: owned('macs').toSorted(),
    placements: keys
      .map(({ path }) => path.split('/'))
      .filter(([kind, , of]) => kind === 'placements' && of === network)
      .map(([, node, , id]) => `${node} ${id}`)
      .toSorted(),
    interfaces: interfaces.flat().toSorted(),
    intents: intents.flat().toSorted(),
  }
}

/** What there should be of these endpoints, and of no others. */
export function tracesOf(endpoints: readonly Endpoint[]): Traces {
  const each = (texts: (endpoint: Endpoint) => readonly string[]) => endpoints.flatMap(texts).toSorted()
  return {
    endpoints: each(({ id }) => [id]),
    addresses: each(({ id, addresses }) => addresses.map((address) => `${address} ${id}`)),
    names: each(({ id, name }) => (name ? [`${name} ${id}`] : [])),
    macs: each(({ id, mac }) => [`${mac} ${id}`]),
    placements: each(({ id, node }) => [`${node} ${id}`]),
    interfaces: each(({ id, node, network }) => [`${node} ${network}/${id}`]),
    intents: [],
  }
}

/** Waits until there is exactly what there should be of these endpoints. */
export async function expectTraces(lab: Lab, network: string, endpoints: readonly Endpoint[], deadline = 10_000) {
  const wanted = tracesOf(endpoints)
  const what = `the traces of ${endpoints.length} endpoints in ${network}, and no others`
  await until(
    async () => {
      expect(await traces(lab, network)).toEqual(wanted)
      return true
    },
    { what, deadline, every: 100 },
  )
}

async function interfacesOf(host: Host): Promise<readonly string[]> {
  const links = JSON.parse(await host.exec('ip -j link show type veth')) as { ifname: string; ifalias?: string }[]
  return links
    .filter(({ ifname, ifalias }) => ifname.startsWith('ove') || ifalias?.startsWith('overlay/'))
    .map(({ ifname, ifalias }) => `${host.name} ${ifalias?.split('/').slice(2).join('/') ?? ifname}`)
}

async function intentsOf(host: Host): Promise<readonly string[]> {
  const lines = await host.exec(['cat', `${host.agent.stateDirectory}/intents`])
  return lines.split('\n').filter((line) => line.trim() !== '')
}

function ownedText(path: string, id: unknown): readonly string[] {
  return typeof id === 'string' && id !== '' ? [`${lastPart(path)} ${id}`] : []
}

function lastPart(path: string): string {
  return path.split('/').at(-1) ?? ''
}
