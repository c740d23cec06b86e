/** Through which links a route leads (linux/rtnetlink.h). Pure. */
import { type Attributes, align, readU32 } from './attributes.ts'
import { RTA_MULTIPATH, RTA_OIF } from './rtnetlink.ts'

/** Indexes; empty when its next hop is an object of its own that the kernel does not spell out. */
export function devicesOf(route: Attributes): number[] {
  const device = readU32(route.get(RTA_OIF))
  return device === undefined ? devicesOfHops(route.get(RTA_MULTIPATH)) : [device]
}

/** Of a route with several next hops, each a struct rtnexthop with its attributes. */
function devicesOfHops(hops: Buffer = Buffer.alloc(0)): number[] {
  const devices: number[] = []
  for (let at = 0; at + 8 <= hops.length; at += Math.max(8, align(hops.readUInt16LE(at))))
    devices.push(hops.readInt32LE(at + 4))
  return devices
}
