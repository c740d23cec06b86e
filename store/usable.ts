/**
 * Whether a record can be what it says it is: of the key that it is at, and with
 * addresses that are addresses. Whoever reads it may then go by it.
 */
import { parseCidr, parseIp } from '../lib/ip.ts'
import { parseMac } from '../lib/mac.ts'
import { parseVni } from '../lib/vni.ts'
import { Controller, Drain, Endpoint, type MessageType, Network, Node, Session, type Subnet } from '../proto/index.ts'

/** What a record says must be so, if it says anything. @throws Error that tells what is wrong with it */
export function checkUsable<T>({ name }: MessageType<T>, record: unknown, path: string): void {
  if (name === Network.name) checkNetwork(record as Network, path)
  else if (name === Node.name) checkNode(record as Node, path)
  else if (name === Endpoint.name) checkEndpoint(record as Endpoint, path)
  else if (name === Session.name) isAt(path, 'node', ['sessions', (record as Session).node])
  else if (name === Drain.name) isAt(path, 'node', ['drains', (record as Drain).node])
  else if (name === Controller.name) checkController(record as Controller, path)
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

function isAt(path: string, what: string, parts: readonly string[]): void {
  if (!path.endsWith(`/${parts.join('/')}`)) throw new TypeError(`its ${what} are not those of the key`)
}
