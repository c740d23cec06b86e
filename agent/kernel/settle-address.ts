/** Brings an address of ours on a link to its prefix length, while it is in use. */
import { cidrAt, familyOf, type Ip, ipValue } from '../../lib/ip.ts'
import { deleteAddress, holdAddress, type LinkAddress, putAddress } from './addresses.ts'
import { findLink, type Link, promoteSecondaries } from './links.ts'
import type { NetlinkSocket, Task } from './netlink-socket.ts'
import { isReceived, standInRoute } from './routes.ts'

/** Milliseconds for the kernel to do what it has put off; after that, what stands in is left to expire. */
const longestWait = 50

export interface AddressWish {
  readonly address: Ip
  readonly prefix: number
  /** For messages: the link, and where it is. */
  readonly device: string
}

/**
 * Adds the address if it is missing, and sees that it has that prefix length
 * only; what is right already is not touched. No packet is lost meanwhile.
 * `present`: all addresses of the namespace.
 * @throws OverlayError
 */
export function settleAddress(
  socket: NetlinkSocket,
  link: Link,
  present: readonly LinkAddress[],
  wish: AddressWish,
): void {
  const { address, prefix, device } = wish
  const found = present.filter((one) => one.index === link.index && one.address === address)
  const stale = found.filter((one) => one.prefix !== prefix)
  if (stale.length === found.length && (stale.length === 0 || familyOf(address) === 4))
    socket.request(putAddress(link.index, address, prefix, device))
  for (const old of stale)
    if (familyOf(address) === 4) carryOut(socket, removal(link, present, old, device))
    else exchange(socket, link, present, old, wish)
}

/** Whether it is there with another prefix length, so that the link will be without it for a moment. */
export function mustExchange(
  { index }: Link,
  present: readonly LinkAddress[],
  { address, prefix }: AddressWish,
): boolean {
  const differs = (one: LinkAddress) => one.index === index && one.address === address && one.prefix !== prefix
  return familyOf(address) === 6 && present.some(differs)
}

/** IPv4: the one with another prefix length is another address. */
function removal(link: Link, present: readonly LinkAddress[], old: LinkAddress, device: string): Task[] {
  const { index } = link
  const task = deleteAddress(index, old.address, old.prefix, device)
  // What a workload added to the old subnet would go with it.
  const takesAlong = present.some((one) => one.index === index && one.secondary && one.prefix === old.prefix)
  if (!takesAlong || link.promotesSecondaries) return [task]
  return [promoteSecondaries(link, true), task, promoteSecondaries(link, false)]
}

/**
 * IPv6 has an address on a link once, with one prefix length, which cannot be
 * changed: it must go and come back. Meanwhile the loopback device has it, so
 * that it may be a source, and routes of ours stand in for the address's own and
 * the subnet's. The address's own comes back some time after the address.
 */
function exchange(
  socket: NetlinkSocket,
  { index }: Link,
  present: readonly LinkAddress[],
  { prefix: before }: LinkAddress,
  { address, prefix, device }: AddressWish,
): void {
  const loopback = findLink(socket, 'lo')
  const isElsewhere = present.some((one) => one.index !== index && one.address === address)
  const standIns = (what: 'add' | 'remove') => [
    standInRoute(what, 'local', index, cidrAt(6, ipValue(address), 128)),
    standInRoute(what, 'subnet', index, cidrAt(6, ipValue(address), prefix)),
  ]
  const move = [deleteAddress(index, address, before, device), putAddress(index, address, prefix, device)]
  const isHeld = loopback !== undefined && !isElsewhere
  const hold = isHeld ? [holdAddress(loopback.index, address)] : []
  const release = isHeld ? [deleteAddress(loopback.index, address, 128, 'the loopback device')] : []
  carryOut(socket, [...standIns('add'), ...hold, ...move, ...release])
  const end = performance.now() + longestWait
  while (!isReceived(socket, address)) if (performance.now() > end) return
  carryOut(socket, standIns('remove'))
}

/** With one message to the kernel: nothing comes between, not even our own end. */
function carryOut(socket: NetlinkSocket, tasks: readonly Task[]): void {
  const error = socket.batch(tasks).find((one) => {
    return one !== undefined && one.code !== 'already_exists' && one.code !== 'not_found'
  })
  if (error) throw error
}
