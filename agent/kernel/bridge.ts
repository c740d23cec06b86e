/** A network's bridge. */
import { readFileSync, writeFileSync } from 'node:fs'
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Bridge } from '../state/item.ts'
import type { Host } from './host.ts'
import { acceptsRouters, bridgeInfo, bridgeSettings } from './link-settings.ts'
import { createLink, findLink } from './links.ts'
import { markLink, settleLink, settleMtu } from './settle-link.ts'

/**
 * @returns whether one that was there has lost its neighbours by it.
 * @throws OverlayError
 */
export function putBridge({ socket, owned, log }: Host, { name, mac, mtu, alias }: Bridge): boolean {
  const found = findLink(socket, name)
  if (found) owned.claim(found, 'bridge')
  // The MTU is set afterwards: only then does the bridge keep it whatever its ports have.
  const link = settleMtu(socket, found ?? createLink(socket, 'bridge', { name, mac }, bridgeInfo), mtu)
  if (acceptsRouters(link)) ignoreRouters(name, log)
  settleLink(socket, link, { mac, mtu, info: bridgeSettings })
  markLink(socket, link, alias)
  return found !== undefined && (found.mac !== mac || !found.arp)
}

/** Somebody switched IPv6 off on this bridge alone; where it is off on the whole host it stays so. */
export function allowIpv6(name: string, log: Logger): void {
  const conf = '/proc/sys/net/ipv6/conf'
  try {
    if (readFileSync(`${conf}/all/disable_ipv6`, 'utf8').trim() === '0')
      writeFileSync(`${conf}/${name}/disable_ipv6`, '0')
  } catch (error) {
    log.warn({ err: OverlayError.from(error), bridge: name }, 'cannot switch IPv6 on')
  }
}

/** There is no netlink message for it. Node writes this in the calling thread, so in its namespace. */
function ignoreRouters(name: string, log: Logger): void {
  const path = `/proc/sys/net/ipv6/conf/${name}/accept_ra`
  try {
    writeFileSync(path, '0')
  } catch (error) {
    log.warn({ err: OverlayError.from(error), path }, 'cannot write 0: a workload may give this host an IPv6 route')
  }
}
