/** Views for tests: a host, its networks, and their endpoints, with as little said as a test needs. */
import { type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import { type Mac, parseMac } from '../../lib/mac.ts'
import { parseVni } from '../../lib/vni.ts'
import type { EndpointView, NetworkView, Self } from '../state/view.ts'
import { View } from '../view/view.ts'

export const bootId = 'boot-1'

/** 32 hex digits that begin with these. */
export const idOf = (digits: string): string => digits.padEnd(32, '0')

/** The MAC that `endpointOf` gives to that endpoint. */
export const macOfEndpoint = (digits: string): Mac => parseMac(`02:00:00:00:00:${digits.padStart(2, '0').slice(-2)}`)

export function selfOf(node = 'host-1', vtep = '192.0.2.1'): Self {
  return { node, clusterUid: 'c1', bootId, vtep: parseIp(vtep), underlayMtu: 1500, vxlanPort: 4789, generation: 0 }
}

/** `subnets` as `10.0.9.0/24`; each one's gateway is its first address, unless said otherwise. */
export function networkOf(
  name = 'web',
  {
    subnets = ['10.0.9.0/24'],
    gateways = [] as readonly string[],
    vni = 7,
    mtu = 1450,
    uid = `uid-of-${name}`,
    modRevision = 10,
    internal = false,
    multicast = false,
    eager = false,
  } = {},
): NetworkView {
  const views = subnets.map((text, at) => {
    const gateway = gateways[at] ?? text.replace(/(0?)\/\d+$/, '1')
    return { cidr: parseCidr(text), gateway: parseIp(gateway), ipRange: undefined, aux: new Set<Ip>() }
  })
  return { name, uid, vni: parseVni(vni), mtu, subnets: views, internal, multicast, eager, modRevision }
}

export interface EndpointWish {
  readonly network?: string
  readonly node?: string
  readonly addresses?: readonly string[]
  readonly mac?: string
  readonly revision?: number
  readonly createRevision?: number
  /** Of its sandbox; undefined: this boot. */
  readonly boot?: string
  readonly unplugged?: boolean
  readonly name?: string
  readonly gwPriority?: number
}

/** The endpoint whose id begins with `digits`, in the sandbox /run/netns/DIGITS. */
export function endpointOf(digits: string, wish: EndpointWish = {}): EndpointView {
  const { network = 'web', node = 'host-1', addresses = [`10.0.9.${Number.parseInt(digits, 16)}`], name = '' } = wish
  const { revision = 20, createRevision = revision, boot = bootId, unplugged = false } = wish
  return {
    id: idOf(digits),
    network,
    node,
    mac: wish.mac === undefined ? macOfEndpoint(digits) : parseMac(wish.mac),
    addresses: addresses.map(parseIp),
    ifname: 'eth0',
    sandbox: unplugged ? undefined : { bootId: boot, cookie: `1${digits}`, path: `/run/netns/${digits}` },
    name,
    gwPriority: wish.gwPriority ?? 0,
    labels: {},
    createdAt: '2026-01-01T00:00:00.000Z',
    createRevision,
    modRevision: revision,
  }
}

export interface ViewWish {
  readonly self?: Self
  readonly networks?: readonly NetworkView[]
  readonly endpoints?: readonly EndpointView[]
  /** VTEP addresses by node, beside this host's own. */
  readonly nodes?: Readonly<Record<string, string>>
  /** Ids of endpoints with an open intent. */
  readonly intents?: readonly string[]
}

/** A view that follows all the networks that it is given. */
export function viewOf({ self = selfOf(), networks = [networkOf()], ...wish }: ViewWish = {}): View {
  const view = new View(self)
  view.setNode(self.node, self.vtep)
  for (const [node, vtep] of Object.entries(wish.nodes ?? { 'host-2': '192.0.2.2' })) view.setNode(node, parseIp(vtep))
  for (const network of networks) {
    view.setNetwork(network)
    view.follow(network.name)
  }
  for (const endpoint of wish.endpoints ?? []) view.setEndpoint(endpoint)
  for (const id of wish.intents ?? []) view.setOpenIntent(networks[0]?.name ?? '', id, true)
  return view
}
