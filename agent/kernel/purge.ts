/** Takes everything of ours out of a host's kernel, of whatever cluster. It needs to know nothing of any. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { BridgePass, Isolation, ObservedItem } from '../state/item.ts'
import { dumpAddresses } from './addresses.ts'
import { createFirewall } from './firewall.ts'
import { dumpLinks, type Link, removeLink } from './links.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { isNotInstalled } from './nft.ts'
import { removeOwnRoutes } from './own-routes.ts'
import { ownershipOfAll } from './ownership.ts'

/** What is removed first hangs on what is removed last. Of a veth both ends go, and with the far end what is on it. */
const order = ['veth', 'vxlan', 'bridge']

/**
 * Works on the network namespace that the calling thread is in. May be repeated.
 * The limits of the neighbour tables (gc_thresh) stay raised: others may need
 * them by now, and a reboot ends that.
 * @returns what was removed, a line each; `left`: what could not be, and why.
 */
export async function purge(
  log: Logger,
): Promise<{ readonly removed: readonly string[]; readonly left: readonly string[] }> {
  const socket = new NetlinkSocket()
  try {
    const links = removeLinks(socket)
    const routes = await removeOwnRoutes(socket)
    const rules = await removeRules(log)
    const parts = [links, routes, rules]
    return { removed: parts.flatMap(({ removed }) => removed), left: parts.flatMap(({ left }) => left) }
  } finally {
    socket.close()
  }
}

function removeLinks(socket: NetlinkSocket) {
  const owned = ownershipOfAll()
  const all = dumpLinks(socket)
  const addressed = new Set(dumpAddresses(socket).flatMap(({ index, linkLocal }) => (linkLocal ? [] : [index])))
  const isUnused = ({ index }: Link) => !addressed.has(index) && !all.some(({ master }) => master === index)
  // A bridge of ours has its mark before it has ports and addresses: one without it that is in use is somebody's.
  const isHalfMade = (link: Link) => owned.isHalfMade(link) && (link.kind !== 'bridge' || isUnused(link))
  const ours = all.filter((link) => owned.isOurs(link) || isHalfMade(link))
  const [removed, left]: [string[], string[]] = [[], []]
  for (const link of ours.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)))
    try {
      removeLink(socket, link)
      removed.push(linkText(link))
    } catch (error) {
      left.push(`${linkText(link)}: ${OverlayError.from(error).message}`)
    }
  return { removed, left }
}

/** Our table, and our rules in the chains of others. */
async function removeRules(log: Logger) {
  // The port is only for the rules that are made.
  const firewall = createFirewall(log, 0, (change) => change())
  const look = async () => (await firewall.observe()).filter(isOurRule)
  try {
    const found = await look()
    await firewall.apply(found.map((item) => ({ do: 'delete', item })))
    const still = new Set((await look()).map(ruleText))
    const texts = found.map(ruleText)
    return {
      removed: texts.filter((text) => !still.has(text)),
      left: Array.from(still, (text) => `${text}: its rules are still there`),
    }
  } catch (error) {
    // Without nft we have made no rules.
    if (isNotInstalled(error)) return { removed: [], left: [] }
    if (!hasCode(error, 'failed_precondition')) throw error
    return { removed: [], left: [`firewall rules: ${error.message}`] }
  }
}

type Rule = Isolation | BridgePass

/** Others may use our comment: of a bridge that is none of ours it is not our rule. */
function isOurRule(item: ObservedItem): item is Rule & ObservedItem {
  return item.kind === 'isolation' || (item.kind === 'bridge-pass' && /^ovbr\d+$/.test(item.bridge))
}

function ruleText(item: Rule): string {
  return item.kind === 'isolation' ? 'nftables table inet overlay' : `firewall rules for bridge ${item.bridge}`
}

function linkText({ kind, name, alias }: Link): string {
  return `${kind} ${name}${alias ? ` (${alias})` : ''}`
}
