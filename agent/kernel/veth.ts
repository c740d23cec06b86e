/**
 * A local endpoint's veth pair. The other end is made straight in the sandbox
 * and set up there; the host's end gets its alias when all is done, so that an
 * alias means that the plugging is complete.
 */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { insideDifferences } from '../state/differences.ts'
import type { SandboxInterface, Veth } from '../state/item.ts'
import { type Attribute, bytes, encodeAttributes, u32 } from './attributes.ts'
import type { Host } from './host.ts'
import { insideOf } from './insides.ts'
import { vethPort } from './link-settings.ts'
import { createLink, findLink, type Link, linkAttributes, linkHeader, removeLink } from './links.ts'
import type { OpenSandbox } from './netns.ts'
import { IFLA_NET_NS_FD, VETH_INFO_PEER } from './rtnetlink.ts'
import { settleInside, setUpInside } from './settle-inside.ts'
import { bridgeIndex, markLink, settleLink } from './settle-link.ts'

/**
 * Plugs the endpoint in; when its interface is there, brings in line what is on
 * the host's side, and inside the MTU and our addresses.
 * @returns whether one had to be taken away first.
 * @throws OverlayError `not_found` when the sandbox is gone, `already_exists`
 * when it has an interface of that name; then nothing is left behind. Where only
 * the way to a sandbox is gone, the host's end is in line all the same.
 */
export function putVeth(host: Host, item: Veth): boolean {
  const { socket, owned, prepared } = host
  const master = bridgeIndex(socket, owned, item.bridge)
  const found = findLink(socket, item.name)
  if (found) owned.claim(found, 'veth')
  if (found && found.alias === item.alias) {
    const grows = item.mtu > found.mtu
    const settleOutside = () => settleLink(socket, found, { mac: item.mac, mtu: item.mtu, master, port: vethPort })
    // The sandbox must not send what the host's end does not take.
    if (grows) settleOutside()
    try {
      if (insideDifferences(insideOf(host, found, item.inside), item).length > 0)
        withinSandbox(host, item.inside, ({ socket: inside }) => settleInside(inside, found, item))
    } finally {
      if (!grows) settleOutside()
    }
    return false
  }
  const isPrepared = found !== undefined && prepared.get(item.name) === found.index
  prepared.delete(item.name)
  if (found && !isPrepared) removeLink(socket, found)
  let link = isPrepared ? found : undefined
  try {
    withinSandbox(host, item.inside, (sandbox) => {
      // The network may have changed since it was prepared.
      if (link) settleLink(socket, link, { mac: item.mac, mtu: item.mtu, master, port: vethPort })
      link ??= makePair(host, sandbox, item, master)
      setUpInside(sandbox.socket, item)
      markLink(socket, link, item.alias)
    })
  } catch (error) {
    if (link) removeLink(socket, link)
    throw error
  }
  return found !== undefined && !isPrepared
}

/** See Kernel.prepare. @throws OverlayError as `putVeth` */
export function prepareVeth(host: Host, item: Veth): void {
  const { socket, owned, prepared } = host
  const master = bridgeIndex(socket, owned, item.bridge)
  const link = withinSandbox(host, item.inside, (sandbox) => makePair(host, sandbox, item, master))
  prepared.set(item.name, link.index)
}

/** See Kernel.abandon: what cannot be removed now is swept by the next audit. */
export function abandonVeth({ socket, owned, prepared, log }: Host, name: string): void {
  const index = prepared.get(name)
  if (index === undefined) return
  prepared.delete(name)
  try {
    const link = findLink(socket, name)
    if (link?.index === index && owned.isHalfMade(link)) removeLink(socket, link)
  } catch (error) {
    log.debug({ err: error, name }, 'could not be abandoned')
  }
}

/** The pair, and all of the host's end but its mark. */
function makePair({ socket }: Host, sandbox: OpenSandbox, item: Veth, master: number): Link {
  const { inside, name, mac, mtu } = item
  if (findLink(sandbox.socket, inside.ifname))
    throw new OverlayError(
      'already_exists',
      `${inside.netns} has an interface ${inside.ifname} already: give another name with --ifname, or remove it`,
    )
  const link = createLink(socket, 'veth', { name, mac, mtu, master }, [peerInfo(inside, mtu, sandbox.descriptor)])
  try {
    settleLink(socket, link, { mac, mtu, master, port: vethPort })
  } catch (error) {
    removeLink(socket, link)
    throw error
  }
  return link
}

/** The other end: struct ifinfomsg, then attributes. */
function peerInfo({ ifname, mac }: SandboxInterface, mtu: number, descriptor: number): Attribute {
  const attributes = [...linkAttributes({ name: ifname, mac, mtu }), u32(IFLA_NET_NS_FD, descriptor)]
  return bytes(VETH_INFO_PEER, Buffer.concat([linkHeader(0), encodeAttributes(attributes)]))
}

/** @throws OverlayError `not_found` when another namespace, or something else, or nothing is at the path. */
function withinSandbox<T>(
  { namespaces }: Host,
  { netns, cookie }: SandboxInterface,
  body: (sandbox: OpenSandbox) => T,
): T {
  const gone = (why: string, cause?: unknown) =>
    new OverlayError('not_found', `the sandbox is gone: ${why}; attach again`, { cause })
  try {
    return namespaces.within(netns, (sandbox) => {
      if (sandbox.cookie === cookie) return body(sandbox)
      throw gone(`${netns} is another network namespace by now`)
    })
  } catch (error) {
    if (!hasCode(error, 'invalid')) throw error
    throw gone(OverlayError.from(error).message, error)
  }
}
