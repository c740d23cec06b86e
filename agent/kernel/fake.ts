/** A kernel in memory, for unit tests. It refuses what the real one would. */
import { OverlayError } from '../../lib/errors.ts'
import { type Ip, parseIp } from '../../lib/ip.ts'
import { insideDifferences, onLinkSubnets } from '../state/differences.ts'
import {
  type AnyItem,
  carrierOf,
  type Item,
  itemId,
  type ObservedInterface,
  type ObservedItem,
  type ObservedVeth,
  type SandboxInterface,
  type Veth,
} from '../state/item.ts'
import { firstMetricOf } from './default-routes.ts'
import type {
  Announcement,
  HostRoute,
  HostRoutesFound,
  Kernel,
  KernelChanges,
  LinkAddresses,
  NetnsIdentity,
  Operation,
  OperationResult,
  UnderlayInterface,
} from './kernel.ts'

export class FakeKernel implements Kernel {
  /** By itemId. A test may add or take away, as somebody else would. */
  readonly items = new Map<string, AnyItem>()
  /** All that was asked for, in order. */
  readonly operations: Operation[] = []
  readonly announced: Announcement[] = []
  /** Names of veths that were made ahead and neither taken up nor abandoned. */
  readonly prepared = new Set<string>()
  /** Cookies by path. */
  readonly sandboxes = new Map<string, string>()
  /** Interfaces in a sandbox that are not ours, by path. */
  readonly foreignInterfaces = new Map<string, readonly string[]>()
  /** Addresses that somebody else put on a link of ours or inside its sandbox, by the link's name. */
  readonly foreignAddresses = new Map<string, readonly Ip[]>()
  /** Links whose sandboxes cannot be looked at. */
  readonly unseen = new Set<string>()
  /** Makes operations fail. */
  failure: (operation: Operation) => OverlayError | undefined = () => undefined
  routes: readonly HostRoute[] = []
  underlayInterfaces: readonly UnderlayInterface[] = []
  source: (destination: Ip) => Ip | undefined = () => undefined
  readonly #watchers = new Set<(changes: KernelChanges) => void>()

  watchChanges(changed: (changes: KernelChanges) => void, signal: AbortSignal): void {
    if (signal.aborted) return
    this.#watchers.add(changed)
    signal.addEventListener('abort', () => this.#watchers.delete(changed), { once: true })
  }

  /** Tells whoever watches, at once, as if somebody else had changed it. */
  change(changes: Partial<KernelChanges>): void {
    for (const changed of this.#watchers) changed({ ours: false, host: false, firewall: false, ...changes })
  }

  observe(): Promise<readonly ObservedItem[]> {
    return Promise.resolve(Array.from(this.items.values(), (item) => this.#observed(item)))
  }

  apply(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return Promise.resolve(operations.map((operation) => this.#applyOne(operation)))
  }

  announce(announcements: readonly Announcement[]): Promise<void> {
    this.announced.push(...announcements)
    return Promise.resolve()
  }

  prepare({ name }: Veth): void {
    this.prepared.add(name)
  }

  abandon(vethName: string): void {
    this.prepared.delete(vethName)
  }

  netnsIdentity(path: string): NetnsIdentity {
    const cookie = this.sandboxes.get(path)
    if (cookie === undefined) throw new OverlayError('not_found', `there is no network namespace ${path}`)
    return { cookie }
  }

  hasLink(name: string): boolean {
    return this.items.has(`link ${name}`)
  }

  interfacesIn(path: string): readonly string[] {
    this.netnsIdentity(path)
    const ours = this.#veths().flatMap(({ inside }) =>
      inside && 'netns' in inside && inside.netns === path ? [inside.ifname] : [],
    )
    return ['lo', ...(this.foreignInterfaces.get(path) ?? []), ...ours]
  }

  linkAddresses(): Promise<readonly LinkAddresses[]> {
    const links = [...this.items.values()].filter((item) => item.kind === 'bridge' || item.kind === 'veth')
    const told = links.map((item) => ({
      device: item.name,
      alias: item.alias,
      addresses: [...this.#addressesOf(item), ...(this.foreignAddresses.get(item.name) ?? [])],
    }))
    return Promise.resolve(told)
  }

  hostRoutes(): Promise<HostRoutesFound> {
    return Promise.resolve({ routes: this.routes, truncated: false })
  }

  underlays(): readonly UnderlayInterface[] {
    return this.underlayInterfaces
  }

  sourceTowards(destination: Ip): Ip | undefined {
    return this.source(destination)
  }

  close(): void {}

  /** The whole state, an item a line, sorted by id. */
  text(): string {
    return [...this.items.values()].map(itemText).toSorted().join('\n')
  }

  #observed(item: AnyItem): ObservedItem {
    if (item.kind !== 'veth') return item
    const { kind, name, mac, mtu, alias, bridge, inside } = item
    const faults = 'faults' in item && item.faults ? { faults: item.faults } : {}
    const outside: ObservedItem & ObservedVeth = { kind, name, mac, mtu, alias, bridge, ...faults }
    if (!inside || this.unseen.has(name)) return outside
    return { ...outside, inside: 'netns' in inside ? asObserved(inside, mtu) : inside }
  }

  #veths() {
    return [...this.items.values()].filter((item) => item.kind === 'veth')
  }

  #addressesOf(item: Extract<AnyItem, { kind: 'bridge' | 'veth' }>): readonly Ip[] {
    if (item.kind === 'veth') return (item.inside?.addresses ?? []).map((text) => parseIp(text.split('/')[0] ?? ''))
    return [...this.items.values()].flatMap((other) =>
      other.kind === 'address' && other.dev === item.name ? [other.address] : [],
    )
  }

  #applyOne(operation: Operation): OperationResult {
    this.operations.push(operation)
    const error = this.failure(operation) ?? (operation.do === 'put' ? this.#refusal(operation.item) : undefined)
    if (error) return { ok: false, error }
    const { item } = operation
    const before = this.items.get(itemId(item))
    if (operation.do === 'delete') {
      this.#remove(item)
      return { ok: true, rebuilt: false }
    }
    if (operation.item.kind === 'veth') this.prepared.delete(operation.item.name)
    const rebuilt = before !== undefined && isRebuilt(before, operation.item)
    if (rebuilt) this.#remove(before)
    this.items.set(itemId(item), item)
    return { ok: true, rebuilt }
  }

  #refusal(item: Item): OverlayError | undefined {
    const needed = 'bridge' in item && item.kind !== 'bridge-pass' ? item.bridge : carrierOf(item)
    if (needed !== undefined && !this.items.has(`link ${needed}`))
      return new OverlayError('not_found', `there is no link ${needed}`)
    if (item.kind !== 'veth' || this.sandboxes.get(item.inside.netns) === item.inside.cookie) return undefined
    const before = this.items.get(itemId(item))
    // What is right inside does not need to be found.
    if (before?.kind === 'veth' && before.alias === item.alias && insideDifferences(before.inside, item).length === 0)
      return undefined
    return new OverlayError('not_found', `the sandbox is gone: ${item.inside.netns}`)
  }

  #remove(item: AnyItem): void {
    this.items.delete(itemId(item))
    if (!('name' in item)) return
    for (const [id, other] of this.items) if (carrierOf(other) === item.name) this.items.delete(id)
  }
}

/** The far end as it was made. A test may put another one into a veth, as somebody else would change it. */
export function asObserved(inside: SandboxInterface, mtu: number): ObservedInterface {
  const { ifname, mac, addresses, gateways, gwPriority } = inside
  const defaults = gateways.map((gateway) => ({ gateway, metric: firstMetricOf(gwPriority), gwPriority }))
  return { ifname, up: true, mac, mtu, addresses, routes: { onLink: onLinkSubnets(addresses), defaults } }
}

/** As in the real kernel: these cannot be changed in place. */
function isRebuilt(before: AnyItem, item: Item): boolean {
  if (before.kind === 'vxlan' && item.kind === 'vxlan') return before.vni !== item.vni || before.port !== item.port
  return before.kind === 'veth' && item.kind === 'veth' && before.alias !== item.alias
}

function itemText(item: AnyItem): string {
  const fields = Object.entries(item).filter(([field]) => field !== 'inside' && field !== 'faults')
  return `${itemId(item)}: ${fields.map(([field, value]) => `${field}=${String(value)}`).join(' ')}`
}
