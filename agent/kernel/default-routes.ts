/** Default routes of sandboxes, ordered by metric (docs/adr/0009-default-routes-by-metric.md). */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { type Ip, ipBytes } from '../../lib/ip.ts'
import type { DefaultRoute, InsideRoutes } from '../state/item.ts'
import { bytes, readAttributes, readU32, u32 } from './attributes.ts'
import { addressFamily, readIp } from './byte-addresses.ts'
import type { NetlinkSocket, Task } from './netlink-socket.ts'
import { routeHeader } from './routes.ts'
import {
  AF_INET,
  AF_INET6,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PRIORITY,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTPROT_OVERLAY,
} from './rtnetlink.ts'

/** How many default routes of one priority a sandbox may have. */
const sharers = 64
/** Ours come after every default route that somebody else put there: the kernel's own begin at 1024. */
const firstMetric = 2048
const mostPriority = 500

/**
 * A default route by `gateway`, which the link must reach. The one of the highest
 * priority (-500 to 500) in the namespace is used, among equals the one that was
 * added first; when it goes with its link the next takes over.
 * @throws OverlayError
 */
export function addDefaultRoute(socket: NetlinkSocket, index: number, gateway: Ip, priority: number): void {
  for (const metric of freeMetrics(socket, gateway, priority)) {
    try {
      socket.request({
        type: RTM_NEWROUTE,
        flags: NLM_F_CREATE | NLM_F_EXCL,
        header: routeHeader(addressFamily(gateway), 0, RTPROT_OVERLAY),
        attributes: [bytes(RTA_GATEWAY, ipBytes(gateway)), u32(RTA_OIF, index), u32(RTA_PRIORITY, metric)],
        what: `add the default route by ${gateway}`,
      })
      return
    } catch (error) {
      if (!hasCode(error, 'already_exists')) throw error
    }
  }
  throw new OverlayError(
    'exhausted',
    `cannot add the default route by ${gateway}: the sandbox has ${sharers} of priority ${priority} already: give another --gw-priority`,
  )
}

/** The first of the metrics that stand for a priority. */
export function firstMetricOf(priority: number): number {
  return firstMetric + (mostPriority - priority) * sharers
}

/** Undefined where the metric stands for none. */
function priorityOf(metric: number): number | undefined {
  const priority = mostPriority - Math.floor((metric - firstMetric) / sharers)
  return metric >= firstMetric && priority >= -mostPriority ? priority : undefined
}

export function deleteDefaultRoute(index: number, { gateway, metric }: DefaultRoute): Task {
  return {
    type: RTM_DELROUTE,
    flags: 0,
    header: routeHeader(addressFamily(gateway), 0, RTPROT_OVERLAY),
    attributes: [bytes(RTA_GATEWAY, ipBytes(gateway)), u32(RTA_OIF, index), u32(RTA_PRIORITY, metric)],
    what: `remove the default route by ${gateway}`,
  }
}

/**
 * Routes of the main table through one link, without link-local ones. Only a strict socket keeps the
 * kernel from telling all.
 * @throws OverlayError
 */
export function dumpLinkRoutes(socket: NetlinkSocket, index: number): InsideRoutes {
  const onLink: string[] = []
  const defaults: DefaultRoute[] = []
  for (const family of [AF_INET, AF_INET6]) {
    const header = routeHeader(family, 0, 0)
    const task = { type: RTM_GETROUTE, flags: 0, header, attributes: [u32(RTA_OIF, index)], what: 'list the routes' }
    socket.dump(task, (payload) => {
      const found = readAttributes(payload.subarray(12))
      const [, prefix = 0, , , table, protocol, , type] = payload
      if (readU32(found.get(RTA_OIF)) !== index || table !== RT_TABLE_MAIN || type !== RTN_UNICAST) return
      const [to, gateway] = [readIp(found.get(RTA_DST)), readIp(found.get(RTA_GATEWAY))]
      if (to && !gateway && !to.startsWith('fe80:')) onLink.push(`${to}/${prefix}`)
      if (prefix > 0 || !gateway || protocol !== RTPROT_OVERLAY) return
      const metric = readU32(found.get(RTA_PRIORITY)) ?? 0
      const gwPriority = priorityOf(metric)
      defaults.push({ gateway, metric, ...(gwPriority === undefined ? {} : { gwPriority }) })
    })
  }
  return { onLink, defaults }
}

/** After all that are there, so that the first one stays the first; only then what became free among them. */
function freeMetrics(socket: NetlinkSocket, gateway: Ip, priority: number): readonly number[] {
  const base = firstMetricOf(priority)
  const all = Array.from({ length: sharers }, (_, at) => base + at)
  const last = Math.max(...defaultMetrics(socket, gateway).filter((metric) => all.includes(metric)))
  return [...all.filter((metric) => metric > last), ...all.filter((metric) => metric < last)]
}

/** Of the default routes of a gateway's family. */
function defaultMetrics(socket: NetlinkSocket, gateway: Ip): number[] {
  const header = routeHeader(addressFamily(gateway), 0, 0)
  const task = { type: RTM_GETROUTE, flags: 0, header, attributes: [], what: 'list the routes' }
  return socket.dump(task, (payload) => {
    const isDefault = payload.readUInt8(1) === 0 && payload.readUInt8(7) === RTN_UNICAST
    return isDefault ? readU32(readAttributes(payload.subarray(12)).get(RTA_PRIORITY)) : undefined
  })
}
