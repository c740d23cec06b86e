/** Routes of this host that carry our protocol number: those of our devices go with them, these are what is left. */
import type { OverlayError } from '../../lib/errors.ts'
import type { NetlinkSocket } from './netlink-socket.ts'
import { AF_INET, AF_INET6, RTM_DELROUTE, RTM_GETROUTE, RTPROT_OVERLAY } from './rtnetlink.ts'

/** struct rtmsg */
const headerLength = 12

/** @returns what was removed, a line each; `left`: what could not be, and why. */
export async function removeOwnRoutes(socket: NetlinkSocket) {
  const [removed, left]: [string[], string[]] = [[], []]
  for (const family of [AF_INET, AF_INET6]) {
    const found = await ownRoutes(socket, family)
    if (found.length === 0) continue
    const what = `${found.length} ${family === AF_INET ? 'IPv4' : 'IPv6'} routes of protocol ${RTPROT_OVERLAY}`
    const errors = found.flatMap((route) => removeRoute(socket, route) ?? [])
    if (errors.length < found.length) removed.push(what)
    left.push(...errors.map(({ message }) => `${what}: ${message}`))
  }
  return { removed, left }
}

/** As the kernel tells them: header and attributes. */
async function ownRoutes(socket: NetlinkSocket, family: number): Promise<readonly Buffer[]> {
  const header = Buffer.alloc(headerLength)
  header.writeUInt8(family, 0)
  // After a change meanwhile all are told once more.
  const found = new Map<string, Buffer>()
  const task = { type: RTM_GETROUTE, flags: 0, header, attributes: [], what: 'list the routes' }
  await socket.dumpInTurns(task, (payload) => {
    if (payload.readUInt8(5) === RTPROT_OVERLAY) found.set(payload.toString('hex'), Buffer.from(payload))
  })
  return [...found.values()]
}

/** By all that was told of it. One that is gone already is no error. */
function removeRoute(socket: NetlinkSocket, route: Buffer): OverlayError | undefined {
  const task = { type: RTM_DELROUTE, flags: 0, header: route, attributes: [], what: 'remove a route of ours' }
  const [error] = socket.batch([task])
  return error && error.code !== 'not_found' ? error : undefined
}
