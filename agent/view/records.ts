/** Records of the store as the view wants them: parsed, so that a bad one stops here. */
import { parseCidr, parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { parseIfname, parseName } from '../../lib/names.ts'
import { parseVni } from '../../lib/vni.ts'
import type { Endpoint, Init, Network } from '../../proto/index.ts'
import type { Entry } from '../../store/store.ts'
import type { EndpointView, NetworkView, SandboxView } from '../state/view.ts'

/** @throws OverlayError `invalid` when the record is not one that we could act on. */
export function readNetwork({ value, modRevision }: Pick<Entry<Network>, 'value' | 'modRevision'>): NetworkView {
  return {
    name: parseName(value.name),
    uid: value.uid,
    vni: parseVni(value.vni),
    mtu: value.mtu,
    subnets: value.subnets.map(({ cidr, gateway, ipRange, auxAddresses }) => ({
      cidr: parseCidr(cidr),
      gateway: parseIp(gateway),
      ipRange: ipRange ? parseCidr(ipRange) : undefined,
      aux: new Set(Object.values(auxAddresses).map(parseIp)),
    })),
    internal: value.internal,
    multicast: value.multicast,
    eager: value.eager,
    modRevision,
  }
}

/** @throws OverlayError `invalid` when the record is not one that we could act on. */
export function readEndpoint(entry: Pick<Entry<Endpoint>, 'value' | 'createRevision' | 'modRevision'>): EndpointView {
  const { id, network, node, mac, addresses, ifname, name, labels, createdAt, sandbox, gwPriority } = entry.value
  return {
    id,
    network: parseName(network),
    node,
    mac: parseMac(mac),
    addresses: addresses.map(parseIp),
    ifname: parseIfname(ifname),
    name,
    gwPriority,
    labels,
    createdAt,
    sandbox:
      sandbox?.kind === 'NAMESPACE'
        ? { bootId: sandbox.bootId, cookie: sandbox.cookie, path: sandbox.path }
        : undefined,
    createRevision: entry.createRevision,
    modRevision: entry.modRevision,
  }
}

/** Where the sandbox of a remote endpoint is, is its host's to know. */
const elsewhere: SandboxView = { bootId: '', cookie: '', path: '' }
const noLabels: EndpointView['labels'] = {}

/**
 * What is kept of another host's endpoint, of which there may be many: what is
 * planned from, and whether it has a sandbox. `network` and `node` are the strings
 * that all of them share.
 */
export function remoteEndpoint(endpoint: EndpointView, network: string, node: string): EndpointView {
  const { id, mac, addresses, createRevision, modRevision } = endpoint
  return {
    id,
    network,
    node,
    mac,
    addresses,
    ifname: '',
    sandbox: endpoint.sandbox && elsewhere,
    name: '',
    gwPriority: 0,
    labels: noLabels,
    createdAt: '',
    createRevision,
    modRevision,
  }
}

/** An own endpoint as its record says, for answers that need no store. */
export function endpointRecord(endpoint: EndpointView, network: NetworkView | undefined): Init<Endpoint> {
  const { id, node, mac, addresses, ifname, name, labels, createdAt, sandbox, gwPriority } = endpoint
  return {
    id,
    network: endpoint.network,
    networkUid: network?.uid ?? '',
    name,
    node,
    mac,
    addresses,
    ifname,
    sandbox: sandbox ? { kind: 'NAMESPACE', ...sandbox } : { kind: 'UNPLUGGED' },
    labels,
    createdAt,
    gwPriority,
  }
}
