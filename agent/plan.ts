/** The desired state of this host, key by key. Pure: a view in, items out. */
import { familyOf, type Ip } from '../lib/ip.ts'
import { type Mac, macOf } from '../lib/mac.ts'
import { aliasOf, bridgeName, vethName, vxlanName } from './state/device-names.ts'
import type { Item, Veth } from './state/item.ts'
import { type Key, partsOf } from './state/key.ts'
import type { EndpointView, NetworkView, PlanView, SandboxView, Self } from './state/view.ts'

/** What there should be for one key; nothing for what is gone or not for us. */
export function plan(view: PlanView, key: Key): readonly Item[] {
  const parts = partsOf(key)
  switch (parts.kind) {
    case 'host':
      return view.hasAnyNetwork() ? [{ kind: 'isolation' }] : []
    case 'strays':
      return []
    case 'network': {
      const network = view.network(parts.network)
      return network && view.hasNetwork(parts.network) ? planNetwork(view, network) : []
    }
    case 'endpoint': {
      const network = view.network(parts.network)
      const endpoint = view.endpoint(parts.network, parts.id)
      if (!network || !endpoint || !view.hasNetwork(parts.network)) return []
      return endpoint.node === view.self.node ? planLocal(view, network, endpoint) : planRemote(view, network, endpoint)
    }
  }
}

/** Whether a local endpoint is to have an interface: plugged in, in this boot, and not lost by an eviction. */
export function isPluggable({ node, bootId, generation }: Self, endpoint: EndpointView): boolean {
  if (endpoint.node !== node || endpoint.sandbox?.bootId !== bootId) return false
  return generation !== undefined && endpoint.createRevision >= generation
}

/** The bridge's MAC is the gateway's: one per network, the same on every host. */
export function gatewayMac(network: NetworkView): Mac {
  return macOf('gateway', network.uid)
}

function planNetwork(view: PlanView, network: NetworkView): readonly Item[] {
  const { self } = view
  const { mtu, vni, multicast } = network
  const bridge = bridgeName(vni)
  const alias = aliasOf(self.clusterUid, network.name)
  const vxlan = vxlanName(vni)
  return [
    { kind: 'bridge', name: bridge, mac: gatewayMac(network), mtu, alias },
    {
      kind: 'vxlan',
      name: vxlan,
      mac: macOf('vxlan', network.uid, self.node),
      mtu,
      alias,
      bridge,
      vni,
      local: self.vtep,
      port: self.vxlanPort,
      floods: multicast,
    },
    { kind: 'bridge-pass', bridge },
    ...network.subnets.map(({ cidr, gateway }): Item => {
      return { kind: 'address', dev: bridge, address: gateway, prefix: cidr.prefix }
    }),
    ...(multicast ? planFloods(vxlan, view.floodTargets(network.name)) : []),
  ]
}

function planFloods(dev: string, vteps: Iterable<Ip>): readonly Item[] {
  return Array.from(vteps, (vtep) => ({ kind: 'flood-entry', dev, vtep }))
}

function planLocal(view: PlanView, network: NetworkView, endpoint: EndpointView): readonly Item[] {
  const { self } = view
  const { sandbox } = endpoint
  if (!sandbox || !isPluggable(self, endpoint)) return []
  if (view.hasOpenIntent(endpoint.id) || view.isVanished(endpoint.id)) return []
  const veth = planVeth(self, network, { ...endpoint, sandbox })
  return [veth, { kind: 'port-entry', dev: veth.name, mac: endpoint.mac }]
}

/** What `planVeth` needs to know of an endpoint; it may not be claimed yet. */
export type Pluggable = Pick<EndpointView, 'id' | 'mac' | 'addresses' | 'ifname' | 'gwPriority'> & {
  readonly sandbox: SandboxView
}

/** The veth pair of a local endpoint. */
export function planVeth(self: Self, network: NetworkView, endpoint: Pluggable): Veth {
  const { sandbox } = endpoint
  return {
    kind: 'veth',
    name: vethName(endpoint.id),
    mac: macOf('veth', endpoint.id, self.node),
    mtu: network.mtu,
    alias: aliasOf(self.clusterUid, network.name, endpoint.id),
    bridge: bridgeName(network.vni),
    inside: {
      netns: sandbox.path,
      cookie: sandbox.cookie,
      ifname: endpoint.ifname,
      mac: endpoint.mac,
      addresses: endpoint.addresses.map((address) => withPrefix(network, address)),
      gateways: network.internal ? [] : network.subnets.map(({ gateway }) => gateway),
      gwPriority: endpoint.gwPriority,
    },
  }
}

function planRemote(view: PlanView, network: NetworkView, endpoint: EndpointView): readonly Item[] {
  const vtep = view.vtepOf(endpoint.node)
  // VXLAN has one underlay family per device: another family cannot be reached.
  if (!vtep || familyOf(vtep) !== familyOf(view.self.vtep)) return []
  const { mac } = endpoint
  return [
    { kind: 'remote-entry', dev: vxlanName(network.vni), mac, vtep },
    ...endpoint.addresses.map((address): Item => {
      return { kind: 'neighbour', dev: bridgeName(network.vni), address, mac }
    }),
  ]
}

function withPrefix(network: NetworkView, address: Ip): string {
  const family = familyOf(address)
  const subnet = network.subnets.find(({ cidr }) => cidr.family === family)
  return `${address}/${subnet?.cidr.prefix ?? (family === 4 ? 32 : 128)}`
}
