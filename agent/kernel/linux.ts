/** The real kernel: rtnetlink for links and entries, nftables for the firewall. */
import { OverlayError } from '../../lib/errors.ts'
import { takeTurns } from '../../lib/in-slices.ts'
import type { Logger } from '../../lib/log.ts'
import type { AnyItem, BridgeAddress } from '../state/item.ts'
import { deleteAddress, dumpAddresses } from './addresses.ts'
import { putBridge } from './bridge.ts'
import { applyEntries, entriesAtOnce, isEntryOperation } from './entries.ts'
import { createFirewall, isFirewallOperation } from './firewall.ts'
import type { Host } from './host.ts'
import { hostRoutes } from './host-routes.ts'
import type { HostRoutesFound, Kernel, Operation, OperationResult, UnderlayInterface } from './kernel.ts'
import { dumpLinks, findLink, removeLink } from './links.ts'
import { NetlinkSocket } from './netlink-socket.ts'
import { openNamespaces } from './netns.ts'
import { linkAddresses, observeLinks } from './observe.ts'
import { ownership } from './ownership.ts'
import { sourceTowards } from './routes.ts'
import { mustExchange, settleAddress } from './settle-address.ts'
import { ownBridge } from './settle-link.ts'
import { abandonVeth, prepareVeth, putVeth } from './veth.ts'
import { putVxlan } from './vxlan.ts'

export interface LinuxKernelOptions {
  /** Objects of other clusters' agents are not ours. */
  readonly clusterUid: string
  /** UDP port of VXLAN; default 4789. */
  readonly vxlanPort?: number
  readonly log: Logger
}

/**
 * Works on the network namespace that the calling thread is in. Everything but
 * the firewall is synchronous; what takes long lets others run in between.
 * @throws OverlayError when not permitted (root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)
 */
export function createLinuxKernel({ clusterUid, vxlanPort = 4789, log }: LinuxKernelOptions): Kernel {
  const namespaces = openNamespaces()
  const host: Host = {
    socket: new NetlinkSocket(),
    strictSocket: new NetlinkSocket({ strict: true }),
    namespaces,
    owned: ownership(clusterUid),
    prepared: new Map(),
    log,
  }
  const firewall = createFirewall(log, vxlanPort)
  // Of its own: others are asked while its answer is read.
  const routesSocket = new NetlinkSocket()
  let looking: Promise<HostRoutesFound> | undefined

  async function applyGroup(group: readonly Operation[]): Promise<readonly OperationResult[]> {
    if (group.every(isFirewallOperation)) return firewall.apply(group)
    if (group.every(isEntryOperation)) return applyEntries(host, group)
    const gateway = exchangedGateway(host, group)
    if (gateway) await firewall.excuse(gateway)
    return group.map((operation) => applyOne(host, operation))
  }

  return {
    observe: async () => [...(await observeLinks(host)), ...(await firewall.observe())],
    async apply(operations) {
      const results: OperationResult[] = []
      const turn = takeTurns()
      for (const group of groups(operations)) {
        await turn()
        results.push(...(await applyGroup(group)))
      }
      return results
    },
    prepare: (veth) => prepareVeth(host, veth),
    abandon: (name) => abandonVeth(host, name),
    netnsIdentity: (path) => namespaces.identity(path),
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
      host.socket.close()
      host.strictSocket.close()
      routesSocket.close()
      namespaces.close()
    },
  }
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

/** @returns whether a link was made anew. */
function put(host: Host, item: Extract<Operation, { do: 'put' }>['item']): boolean {
  switch (item.kind) {
    case 'bridge':
      putBridge(host, item)
      return false
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

function putBridgeAddress({ socket, owned }: Host, { dev, address, prefix }: BridgeAddress): void {
  settleAddress(socket, ownBridge(socket, owned, dev), dumpAddresses(socket), { address, prefix, device: dev })
}

function underlays({ socket, owned }: Host): UnderlayInterface[] {
  const addresses = dumpAddresses(socket)
  return dumpLinks(socket)
    .filter((link) => link.up && !link.loopback && !owned.isOurs(link) && !owned.isHalfMade(link))
    .map(({ index, name, mtu }) => ({
      name,
      mtu,
      addresses: addresses.filter((one) => one.index === index && !one.linkLocal).map(({ address }) => address),
    }))
}
