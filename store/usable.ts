/**
 * Whether a record can be what it says it is: of the key that it is at, and with
 * addresses that are addresses. Whoever reads it may then go by it.
 */
import { X509Certificate } from 'node:crypto'
import { parseCidr, parseIp } from '../lib/ip.ts'
import { parseMac } from '../lib/mac.ts'
import { parseVni } from '../lib/vni.ts'
import {
  AuthoritySet,
  Controller,
  Drain,
  Endpoint,
  Identity,
  type MessageType,
  Network,
  Node,
  Session,
  type Subnet,
  Token,
  Trust,
} from '../proto/index.ts'

/** What a record says must be so, if it says anything. @throws Error that tells what is wrong with it */
export function checkUsable<T>({ name }: MessageType<T>, record: unknown, path: string): void {
  if (name === Network.name) checkNetwork(record as Network, path)
  else if (name === Node.name) checkNode(record as Node, path)
  else if (name === Endpoint.name) checkEndpoint(record as Endpoint, path)
  else if (name === Session.name) isAt(path, 'node', ['sessions', (record as Session).node])
  else if (name === Drain.name) isAt(path, 'node', ['drains', (record as Drain).node])
  else if (name === Controller.name) checkController(record as Controller, path)
  else if (name === Identity.name) isAt(path, 'id', ['identities', (record as Identity).id])
  else if (name === Token.name) isAt(path, 'id', ['tokens', (record as Token).id])
  else if (name === Trust.name) checkCertificates((record as Trust).authorities)
  else if (name === AuthoritySet.name)
    for (const { certificate } of (record as AuthoritySet).authorities) checkCertificates(certificate)
}

function checkNetwork({ name, vni, subnets }: Network, path: string): void {
  isAt(path, 'name', ['networks', name])
  if (vni !== 0) parseVni(vni)
  for (const subnet of subnets) checkSubnet(subnet)
}

function checkSubnet({ cidr, gateway, ipRange, auxAddresses }: Subnet): void {
  parseCidr(cidr)
  for (const address of [gateway, ...Object.values(auxAddresses)]) if (address !== '') parseIp(address)
  if (ipRange !== '') parseCidr(ipRange)
}

function checkNode({ name, vtepAddress }: Node, path: string): void {
  isAt(path, 'name', ['nodes', name])
  if (vtepAddress !== '') parseIp(vtepAddress)
}

function checkEndpoint({ id, network, mac, addresses }: Endpoint, path: string): void {
  // What says nothing of itself names nothing else: `ipam check` tells of it.
  if (id !== '' && network !== '') isAt(path, 'network and id', ['endpoints', network, id])
  if (mac !== '') parseMac(mac)
  for (const address of addresses) parseIp(address)
}

/** Who leads is at the key of the office. */
function checkController({ id }: Controller, path: string): void {
  if (path.split('/').at(-2) !== 'leaders') isAt(path, 'id', ['controllers', id])
}

/** PEM of one or more: whoever trusts none of them could reach nobody any more. */
function checkCertificates(text: string): void {
  const each = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g)
  if (!each) throw new TypeError('it has no certificate')
  if (!each.every((pem) => new X509Certificate(pem).ca)) throw new TypeError("a certificate is no authority's")
}

function isAt(path: string, what: string, parts: readonly string[]): void {
  if (!path.endsWith(`/${parts.join('/')}`)) throw new TypeError(`its ${what} are not those of the key`)
}
