/**
 * The keys that go with the record of an endpoint or a network: they come in the
 * transaction that writes it, go in the one that removes it, and name it all the
 * time between. Written down here a second time, as the code under test is not
 * to be asked what it should have written.
 */
import { Endpoint, type JsonObject, Network } from '../../proto/index.ts'

/** The paths of the keys that have to be there with the record at `path`; none for any other record. */
export function keysOf(path: string, value: string): readonly string[] {
  const [kind, network = '', id = ''] = path.split('/')
  if (kind === 'networks') {
    const { name, vni, subnets } = Network.fromJson(read(value))
    return [`vnis/${vni}`, ...subnets.map(({ gateway }) => `addresses/${name}/${gateway}`)]
  }
  if (kind !== 'endpoints') return []
  const { name, mac, node, addresses } = Endpoint.fromJson(read(value))
  return [
    ...addresses.map((address) => `addresses/${network}/${address}`),
    `macs/${network}/${mac}`,
    ...(name ? [`names/${network}/${name}`] : []),
    `placements/${node}/${network}/${id}`,
  ]
}

/**
 * The path of the record that a key names as its owner. Undefined: the key is not
 * there, or has no such owner, as an address that is only reserved.
 */
export function ownerOf(path: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const [kind = '', first = '', second = '', third = ''] = path.split('/')
  switch (kind) {
    case 'placements':
      return `endpoints/${second}/${third}`
    case 'names':
    case 'macs':
      return `endpoints/${first}/${textOf(read(value)['endpointId'])}`
    case 'vnis':
      return `networks/${textOf(read(value)['network'])}`
    case 'addresses': {
      const record = read(value)
      if (record['kind'] === 'GATEWAY') return `networks/${first}`
      return record['kind'] === 'ENDPOINT' ? `endpoints/${first}/${textOf(record['endpointId'])}` : undefined
    }
    default:
      return undefined
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function read(value: string): JsonObject {
  return value === '' ? {} : (JSON.parse(value) as JsonObject)
}
