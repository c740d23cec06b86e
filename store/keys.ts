/** Where each fact is kept in etcd: DESIGN.md's table, in code. */

import { OverlayError } from '../lib/errors.ts'
import type { Ip } from '../lib/ip.ts'
import type { Mac } from '../lib/mac.ts'
import {
  AddressOwner,
  AuthoritySet,
  Cluster,
  Controller,
  Drain,
  Endpoint,
  EndpointRef,
  HostRoutes,
  Identity,
  type MessageType,
  Network,
  Node,
  ReleasedAddress,
  Session,
  Tenure,
  Token,
  Trust,
  VniCursor,
  VniOwner,
} from '../proto/index.ts'
import type { Key, Range } from './store.ts'

export const defaultPrefix = '/overlay/v1/'

/**
 * A prefix of keys as a person writes it; the slash at its end is added.
 * @throws OverlayError `invalid`
 */
export function parsePrefix(text: string): string {
  const prefix = text.endsWith('/') ? text : `${text}/`
  if (!/^\/[\w./-]{1,200}$/.test(prefix))
    throw new OverlayError('invalid', `"${text}" is not a prefix of keys (for example ${defaultPrefix})`)
  return prefix
}

export type Keys = ReturnType<typeof createKeys>

/** The key layout below `prefix`, which ends in a slash. */
export function createKeys(prefix: string) {
  const key = <T>(type: MessageType<T> | null, ...parts: readonly string[]): Key<T> => ({
    path: prefix + parts.join('/'),
    type,
  })
  const range = <T>(type: MessageType<T> | null, ...parts: readonly string[]): Range<T> => ({
    prefix: `${prefix + parts.join('/')}/`,
    type,
  })
  return {
    prefix,
    cluster: key(Cluster, 'cluster'),
    networks: range(Network, 'networks'),
    network: (name: string) => key(Network, 'networks', name),
    vni: (vni: number) => key(VniOwner, 'vnis', String(vni)),
    vniCursor: key(VniCursor, 'vni-cursor'),
    allEndpoints: range(Endpoint, 'endpoints'),
    endpoints: (network: string) => range(Endpoint, 'endpoints', network),
    endpoint: (network: string, id: string) => key(Endpoint, 'endpoints', network, id),
    addresses: (network: string) => range(AddressOwner, 'addresses', network),
    address: (network: string, ip: Ip) => key(AddressOwner, 'addresses', network, ip),
    names: (network: string) => range(EndpointRef, 'names', network),
    name: (network: string, name: string) => key(EndpointRef, 'names', network, name),
    macs: (network: string) => range(EndpointRef, 'macs', network),
    mac: (network: string, mac: Mac) => key(EndpointRef, 'macs', network, mac),
    releasedAddresses: (network: string) => range(ReleasedAddress, 'released', network),
    releasedAddress: (network: string, ip: Ip) => key(ReleasedAddress, 'released', network, ip),
    allPlacements: range<null>(null, 'placements'),
    placements: (node: string) => range<null>(null, 'placements', node),
    placement: (node: string, network: string, id: string) => key<null>(null, 'placements', node, network, id),
    allAddresses: range(AddressOwner, 'addresses'),
    allNames: range(EndpointRef, 'names'),
    allMacs: range(EndpointRef, 'macs'),
    allReleasedAddresses: range(ReleasedAddress, 'released'),
    allHistory: range(Tenure, 'history'),
    history: (network: string) => range(Tenure, 'history', network),
    historyOf: (network: string, ip: Ip) => range(Tenure, 'history', network, ip),
    /** Sorts by time: `claimedAt` is RFC 3339, in UTC. */
    tenure: (network: string, ip: Ip, claimedAt: string, endpointId: string) =>
      key(Tenure, 'history', network, ip, claimedAt, endpointId),
    allVnis: range(VniOwner, 'vnis'),
    hostRoutes: range(HostRoutes, 'hostroutes'),
    hostRoutesOf: (node: string) => key(HostRoutes, 'hostroutes', node),
    nodes: range(Node, 'nodes'),
    node: (name: string) => key(Node, 'nodes', name),
    drains: range(Drain, 'drains'),
    drain: (node: string) => key(Drain, 'drains', node),
    sessions: range(Session, 'sessions'),
    session: (node: string) => key(Session, 'sessions', node),
    controllers: range(Controller, 'controllers'),
    controller: (id: string) => key(Controller, 'controllers', id),
    trust: key(Trust, 'trust'),
    identities: range(Identity, 'identities'),
    identity: (id: string) => key(Identity, 'identities', id),
    /** Read by controllers only: all that follow here. */
    secrets: range(null, 'secrets'),
    authorities: key(AuthoritySet, 'secrets', 'authorities'),
    tokens: range(Token, 'secrets', 'tokens'),
    token: (id: string) => key(Token, 'secrets', 'tokens', id),
    leader: (office: string) => key(Controller, 'leaders', office),
  }
}

/** The parts of a path below its range: `['web', '0a1b…']` of an endpoint's key. */
export function partsBelow(range: Range<unknown>, path: string): readonly string[] {
  return path.slice(range.prefix.length).split('/')
}

/**
 * The part of a path below its range, where keys have one; undefined of a path
 * that has more of them: it is no key of ours, and says nothing of the one that
 * it begins with.
 */
export function partBelow(range: Range<unknown>, path: string): string | undefined {
  const [part, ...more] = partsBelow(range, path)
  return more.length === 0 ? part : undefined
}
