/** For kernel specs: the items of one network on one host, as `plan` gives them. */
import { familyOf, type Ip, parseIp } from '../../lib/ip.ts'
import { macOf } from '../../lib/mac.ts'
import { parseVni } from '../../lib/vni.ts'
import { aliasOf, bridgeName, vethName, vxlanName } from '../state/device-names.ts'
import type { Bridge, FloodEntry, Item, Neighbour, PortEntry, RemoteEntry, Veth, Vxlan } from '../state/item.ts'
import { clusterUid } from './test-host.ts'

export interface TestNetwork {
  readonly bridge: Bridge
  readonly vxlan: Vxlan
  /** Isolation, bridge, VXLAN device, pass, gateways. */
  readonly items: readonly Item[]
  /** Of the endpoint with that number, in that sandbox. */
  local(number: number, netns: string, cookie: string): { readonly veth: Veth; readonly entry: PortEntry }
  remote(number: number, vtep: string): readonly (RemoteEntry | Neighbour)[]
  flood(vtep: string): FloodEntry
}

export const mtu = 1450

/** Subnets 10.0.N.0/24 and fd00:N::/64, gateway .1, endpoint n at .n. */
export function testNetwork(name: string, number: number, local: string): TestNetwork {
  const vni = parseVni(4096 + number)
  const addresses = (host: number) => [parseIp(`10.0.${number}.${host}`), parseIp(`fd00:${number}::${host}`)]
  const prefixOf = (address: Ip) => (familyOf(address) === 4 ? 24 : 64)
  const alias = aliasOf(clusterUid, name)
  const bridge: Bridge = { kind: 'bridge', name: bridgeName(vni), mac: macOf('gateway', name), mtu, alias }
  const vxlan: Vxlan = {
    kind: 'vxlan',
    name: vxlanName(vni),
    mac: macOf('vxlan', name, local),
    mtu,
    alias,
    bridge: bridge.name,
    vni,
    local: parseIp(local),
    port: 4789,
    floods: false,
  }
  const macOfEndpoint = (endpoint: number) => macOf('endpoint', name, String(endpoint))
  return {
    bridge,
    vxlan,
    items: [
      { kind: 'isolation' },
      { kind: 'bridge-pass', bridge: bridge.name },
      bridge,
      vxlan,
      ...addresses(1).map((address): Item => {
        return { kind: 'address', dev: bridge.name, address, prefix: prefixOf(address) }
      }),
    ],
    local(endpoint, netns, cookie) {
      const id = `${endpoint}${number}`.padStart(16, '0')
      const mac = macOfEndpoint(endpoint)
      const veth: Veth = {
        kind: 'veth',
        name: vethName(id.slice(4)),
        mac: macOf('veth', name, String(endpoint)),
        mtu,
        alias: aliasOf(clusterUid, name, id),
        bridge: bridge.name,
        inside: {
          netns,
          cookie,
          ifname: 'eth0',
          mac,
          addresses: addresses(endpoint).map((address) => `${address}/${prefixOf(address)}`),
          gateways: addresses(1),
          gwPriority: 0,
        },
      }
      return { veth, entry: { kind: 'port-entry', dev: veth.name, mac } }
    },
    flood: (vtep) => ({ kind: 'flood-entry', dev: vxlan.name, vtep: parseIp(vtep) }),
    remote: (endpoint, vtep) => [
      { kind: 'remote-entry', dev: vxlan.name, mac: macOfEndpoint(endpoint), vtep: parseIp(vtep) },
      ...addresses(endpoint).map((address): Neighbour => {
        return { kind: 'neighbour', dev: bridge.name, address, mac: macOfEndpoint(endpoint) }
      }),
    ],
  }
}
