/** A network's VXLAN device (RFC 7348), a port of its bridge. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { familyOf, type Ip, ipBytes } from '../../lib/ip.ts'
import type { Vxlan } from '../state/item.ts'
import { type Attribute, be16, bytes, readBe16, readU32, u32 } from './attributes.ts'
import { readIp } from './byte-addresses.ts'
import type { Host } from './host.ts'
import { differing, vxlanInfo, vxlanPort, vxlanSettings } from './link-settings.ts'
import { changeLinkInfo, createLink, dumpLinks, findLink, type Link, removeLink } from './links.ts'
import { IFLA_VXLAN_ID, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, IFLA_VXLAN_PORT } from './rtnetlink.ts'
import { bridgeIndex, markLink, settleLink } from './settle-link.ts'

export interface VxlanIdentity {
  readonly vni: number
  readonly port: number
  readonly local: Ip | undefined
}

export function vxlanOf({ info }: Link): VxlanIdentity {
  return {
    vni: readU32(info.get(IFLA_VXLAN_ID)) ?? 0,
    port: readBe16(info.get(IFLA_VXLAN_PORT)) ?? 0,
    local: readIp(info.get(IFLA_VXLAN_LOCAL) ?? info.get(IFLA_VXLAN_LOCAL6)),
  }
}

/**
 * Makes the device so. VNI, port and the family of `local` cannot be changed:
 * then it is made anew.
 * @returns whether it was.
 * @throws OverlayError
 */
export function putVxlan(host: Host, item: Vxlan): boolean {
  const { socket, owned } = host
  const master = bridgeIndex(socket, owned, item.bridge)
  const found = findLink(socket, item.name)
  if (found) owned.claim(found, 'vxlan')
  const isKept = found !== undefined && adapt(host, found, item)
  if (found && !isKept) removeLink(socket, found)
  const link = isKept ? found : create(host, item, master)
  settleLink(socket, link, { mac: item.mac, mtu: item.mtu, master, port: vxlanPort(item.floods) })
  markLink(socket, link, item.alias)
  return found !== undefined && !isKept
}

/** Changes what can be changed. @returns false when the device must be made anew. */
function adapt({ socket, log }: Host, link: Link, { vni, port, local }: Vxlan): boolean {
  const is = vxlanOf(link)
  if (is.vni !== vni || is.port !== port) return false
  const changes = [...(is.local === local ? [] : [localAttribute(local)]), ...differing(link.info, vxlanSettings)]
  if (changes.length === 0) return true
  try {
    changeLinkInfo(socket, link, changes)
    return true
  } catch (error) {
    if (!hasCode(error, 'failed_precondition')) throw error
    log.debug({ err: error, link: link.name }, 'cannot be changed, is made anew')
    return false
  }
}

function create({ socket }: Host, item: Vxlan, master: number): Link {
  const { name, mac, mtu, vni, local, port } = item
  const info = [u32(IFLA_VXLAN_ID, vni), localAttribute(local), be16(IFLA_VXLAN_PORT, port), ...vxlanInfo]
  try {
    return createLink(socket, 'vxlan', { name, mac, mtu, master }, info)
  } catch (error) {
    if (!hasCode(error, 'already_exists')) throw error
    const other = dumpLinks(socket).find((link) => {
      return link.kind === 'vxlan' && vxlanOf(link).vni === vni && vxlanOf(link).port === port
    })
    // A device keeps its VNI when it is moved to another namespace, as Docker's are.
    const whose = other ? `link ${other.name}` : 'a link that was moved to another network namespace'
    throw new OverlayError(
      'already_exists',
      `cannot create vxlan ${name}: ${whose} uses VNI ${vni} on UDP port ${port} already: remove it`,
      { cause: error },
    )
  }
}

function localAttribute(local: Ip): Attribute {
  return bytes(familyOf(local) === 4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, ipBytes(local))
}
