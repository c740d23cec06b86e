/**
 * Tells the sandboxes of this host that an address has another MAC: each by its
 * own veth, past the bridge. Into the bridge the frame would go to the VXLAN
 * device too, since what a host sends itself is flooded whatever a port's flags
 * say; and to the one that has the address, whose kernel would warn of another
 * that claims it.
 */
import { closeSync } from 'node:fs'
import { OverlayError } from '../../lib/errors.ts'
import { takeTurns } from '../../lib/in-slices.ts'
import { familyOf } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import { AF_PACKET, openSocket, SOCK_RAW, sendTo } from '../../lib/syscalls.ts'
import { announcementFrame, etherTypeOf } from './announcement.ts'
import type { Host } from './host.ts'
import type { Announcement } from './kernel.ts'
import { dumpPorts, findLink, type Link } from './links.ts'
import { deleteNeighbour } from './neighbours.ts'

/** A bridge, and those of its ports that lead to a sandbox of ours. */
interface Audience {
  readonly index: number
  readonly mac: Mac
  readonly ports: readonly Link[]
}

export class Announcer {
  readonly #host: Pick<Host, 'socket' | 'owned' | 'log'>
  /** Of the whole host; it receives nothing. Opened when it is needed first. */
  #descriptor: number | undefined
  #closed = false

  constructor(host: Pick<Host, 'socket' | 'owned' | 'log'>) {
    this.#host = host
  }

  /** See Kernel.announce. */
  async announce(announcements: readonly Announcement[]): Promise<void> {
    const failures: unknown[] = []
    const audiences = new Map<string, Audience | undefined>()
    const turn = takeTurns()
    for (const announcement of announcements) {
      await turn()
      if (this.#closed) return
      const { bridge } = announcement
      try {
        if (!audiences.has(bridge)) audiences.set(bridge, this.#audienceOf(bridge))
        const audience = audiences.get(bridge)
        if (audience) failures.push(...this.#tell(announcement, audience))
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0)
      this.#host.log.warn(
        { err: OverlayError.from(failures[0]), failures: failures.length },
        'not everyone here was told of an address that has another MAC: it may take a minute to be reached',
      )
  }

  close(): void {
    this.#closed = true
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  /** Undefined when there is no such bridge of ours. @throws OverlayError */
  #audienceOf(bridge: string): Audience | undefined {
    const { socket, owned } = this.#host
    const link = findLink(socket, bridge)
    if (!link?.mac || !owned.isOurs(link)) return undefined
    const ports = dumpPorts(socket, link.index).filter((port) => port.kind === 'veth' && port.up && owned.isOurs(port))
    return { index: link.index, mac: link.mac, ports }
  }

  /** @returns what went wrong. @throws SystemError when there is no socket to be had */
  #tell({ bridge, address, mac, port }: Announcement, audience: Audience): readonly unknown[] {
    this.#descriptor ??= openSocket(AF_PACKET, SOCK_RAW, 0)
    const frame = announcementFrame(address, mac, audience.mac)
    const type = etherTypeOf[familyOf(address)]
    const failures: unknown[] = []
    for (const { name, index } of audience.ports)
      try {
        if (name !== port) sendTo(this.#descriptor, frame, linkAddress(index, type))
      } catch (error) {
        failures.push(error)
      }
    // Of what is on another host the host itself has an entry that we wrote; of a local one, what it has found out.
    const [error] =
      port === undefined ? [] : this.#host.socket.batch([deleteNeighbour(audience.index, address, bridge)])
    return error && error.code !== 'not_found' ? [...failures, error] : failures
  }
}

/** struct sockaddr_ll (packet(7)) */
function linkAddress(index: number, etherType: number): Buffer {
  const address = Buffer.alloc(20)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16BE(etherType, 2)
  address.writeInt32LE(index, 4)
  return address
}
