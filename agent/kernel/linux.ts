/** The real kernel: rtnetlink for links and entries, nftables for the firewall. */
import { OverlayError } from '../../lib/errors.ts'
import { takeTurns } from '../../lib/in-slices.ts'
import { familyOf } from '../../lib/ip.ts'
import type { Logger } from '../../lib/log.ts'
import type { AnyItem, BridgeAddress, Difference, ObservedItem } from '../state/item.ts'
import { deleteAddress, dumpAddresses } from './addresses.ts'
import { Announcer } from './announcer.ts'
import { allowIpv6, putBridge } from './bridge.ts'
import { ChangeFeed } from './changes.ts'
import { applyEntries, entriesAtOnce, isEntryOperation } from './entries.ts'
import { createFirewall, isFirewallOperation } from './firewall.ts'
import type { Host } from './host.ts'
import { hostRoutes } from './host-routes.ts'
import type { HostRoutesFound, Kernel, Operation, OperationResult, UnderlayInterface } from './kernel.ts'
import { dumpLinks, findLink, removeLink } from './links.ts'
import { neighbourLimits } from './neighbour-limits.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { openNamespaces } from './netns.ts'
import { faultsIfAny, linkAddresses, observeLinks } from './observe.ts'
import { ownership } from './ownership.ts'
import { hasOnLinkRoute, restoreOnLinkRoute, sourceTowards } from './routes.ts'
import { mustExchange, settleAddress } from './settle-address.ts'
import { ownBridge } from './settle-link.ts'
import { abandonVeth, prepareVeth, putVeth } from './veth.ts'
import { putVxlan } from './vxlan.ts'

export interface LinuxKernelOptions {
  /** Objects of other clusters' agents are not ours. */
  readonly clusterUid: string
  /** UDP port of VXLAN; default 4789. */
  readonly vxlanPort?: number
  /** How often what others change is looked for, in milliseconds; default 200. */
  readonly changesInterval?: number
  /** Where the kernel's settings for the network are; default /proc/sys/net. */
  readonly sysctls?: string
  readonly log: Logger
}

/**
 * Works on the network namespace that the calling thread is in. Everything but
 * the firewall is synchronous; what takes long lets others run in between.
 * @throws OverlayError when not permitted (root, or CAP_NET_ADMIN and CAP_SYS_ADMIN; CAP_NET_RAW to announce)
 */
export function createLinuxKernel(options: LinuxKernelOptions): Kernel {
  const { clusterUid, vxlanPort = 4789, changesInterval = 200, sysctls, log } = options
  const owned = ownership(clusterUid)
  const feed = new ChangeFeed({ owned, interval: changesInterval, log })
  const namespaces = openNamespaces({ ownWork: feed.inSandboxes })
  const host: Host = {
    socket: new NetlinkSocket({ ownWork: feed.onHost }),
    strictSocket: new NetlinkSocket({ strict: true }),
    namespaces,
    owned,
    prepared: new Map(),
    log,
  }
  const firewall = createFirewall(log, vxlanPort, (change) => feed.changeFirewall(change))
  const limits = neighbourLimits(log, sysctls)
  limits.raise()
  const announcer = new Announcer(host)
  // Of its own: others are asked while its answer is read.
  const routesSocket = new NetlinkSocket()
  let looking: Promise<HostRoutesFound> | undefined

  async function applyGroup(group: readonly Operation[]): Promise<readonly OperationResult[]> {
    if (group.every(isFirewallOperation)) {
      if (group.some(({ do: what, item }) => what === 'put' && item.kind === 'isolation')) limits.raise()
      return firewall.apply(group)
    }
    if (group.every(isEntryOperation)) return applyEntries(host, group)
    const gateway = exchangedGateway(host, group)
    if (gateway) await firewall.excuse(gateway)
    return group.map((operation) => applyOne(host, operation))
  }

  return {
    watchChanges: (changed, signal) => feed.watch(changed, signal),
    async observe(sandboxOf) {
      const links = await observeLinks(host, sandboxOf)
      const lowered = limits.faults()
      const rules = await firewall.observe()
      return [...links, ...rules.map((item) => (item.kind === 'isolation' ? withFaults(item, lowered) : item))]
    },
    async apply(operations) {
      const results: OperationResult[] = []
      const turn = takeTurns()
      for (const group of groups(operations)) {
        await turn()
        results.push(...(await applyGroup(group)))
      }
      return results
    },
    announce: (announcements) => announcer.announce(announcements),
    prepare: (veth) => prepareVeth(host, veth),
    abandon: (name) => abandonVeth(host, name),
    netnsIdentity: (path) => namespaces.identity(path),
    hasLink: (name) => findLink(host.socket, name) !== undefined,
    interfacesIn: (path) => namespaces.within(path, ({ socket }) => dumpLinks(socket).map(({ name }) => name)),
    linkAddresses: () => linkAddresses(host),
    hostRoutes() {
      looking ??= hostRoutes({ socket: routesSocket, owned: host.owned }).finally(() => {
        looking = undefined
      })
      return looking
    },
    underlays: () => underlays(host),
    sourceTowards: (destination) => sourceTowards(host.socket, destination),
    close() {
      feed.close()
      announcer.close()
      host.socket.close()
      host.strictSocket.close()
      routesSocket.close()
      namespaces.close()
    },
  }
}

function withFaults(item: ObservedItem, more: readonly Difference[]): ObservedItem {
  return { ...item, ...faultsIfAny([...(item.faults ?? []), ...more]) }
}

/** Neighbouring operations that are carried out together, in the order given. */
export function groups(operations: readonly Operation[]): Operation[][] {
  const found: Operation[][] = []
  for (const operation of operations) {
    const last = found.at(-1)
    const before = last?.at(-1)
    const fits =
      before !== undefined &&
      ((isFirewallOperation(before) && isFirewallOperation(operation)) ||
        (isEntryOperation(before) && isEntryOperation(operation) && (last?.length ?? 0) < entriesAtOnce))
    if (last && fits) last.push(operation)
    else found.push([operation])
  }
  return found
}

function applyOne(host: Host, operation: Operation): OperationResult {
  try {
    const rebuilt = operation.do === 'put' ? put(host, operation.item) : remove(host, operation.item)
    return { ok: true, rebuilt }
  } catch (error) {
    return { ok: false, error: OverlayError.from(error) }
  }
}

/** @returns whether what hung on a link has to be put again. */
function put(host: Host, item: Extract<Operation, { do: 'put' }>['item']): boolean {
  switch (item.kind) {
    case 'bridge':
      return putBridge(host, item)
    case 'vxlan':
      return putVxlan(host, item)
    case 'veth':
      return putVeth(host, item)
    case 'address':
      putBridgeAddress(host, item)
      return false
    case 'isolation':
    case 'bridge-pass':
    case 'port-entry':
    case 'remote-entry':
    case 'flood-entry':
    case 'neighbour':
      throw new OverlayError('internal', `${item.kind} is applied in groups`)
  }
}

function remove({ socket, owned }: Host, item: AnyItem): boolean {
  const link = findLink(socket, 'name' in item ? item.name : 'dev' in item ? item.dev : '')
  // What is not ours is none of the things that we were to remove.
  if (!link || !(owned.isOurs(link) || owned.isHalfMade(link))) return false
  if (item.kind !== 'address') removeLink(socket, link)
  else {
    const { address, prefix, dev } = item
    const [error] = socket.batch([deleteAddress(link.index, address, prefix, dev)])
    if (error && error.code !== 'not_found') throw error
  }
  return false
}

/** The gateway that the one operation of a group will remove for a moment, if it does. */
function exchangedGateway({ socket }: Host, [operation]: readonly Operation[]): BridgeAddress | undefined {
  if (operation?.do !== 'put' || operation.item.kind !== 'address') return undefined
  const { dev, address, prefix } = operation.item
  const bridge = findLink(socket, dev)
  const wish = { address, prefix, device: dev }
  return bridge && mustExchange(bridge, dumpAddresses(socket), wish) ? operation.item : undefined
}

function putBridgeAddress({ socket, owned, log }: Host, { dev, address, prefix }: BridgeAddress): void {
  const bridge = ownBridge(socket, owned, dev)
  if (familyOf(address) === 6 && bridge.disablesIpv6) allowIpv6(dev, log)
  settleAddress(socket, bridge, dumpAddresses(socket), { address, prefix, device: dev })
  if (bridge.up && !hasOnLinkRoute(socket, bridge.index, address, prefix))
    restoreOnLinkRoute(socket, bridge.index, address, prefix)
}

function underlays({ socket, owned }: Host): UnderlayInterface[] {
  const addresses = dumpAddresses(socket)
  return dumpLinks(socket)
    .filter((link) => !link.loopback && !owned.isOurs(link) && !owned.isHalfMade(link))
    .map(({ index, name, mtu, up }) => ({
      name,
      mtu,
      addresses: addresses.filter((one) => one.index === index && !one.linkLocal).map(({ address }) => address),
      ...(up ? {} : { down: true as const }),
    }))
    .filter(({ addresses: found, down }) => !down || found.length > 0)
}
