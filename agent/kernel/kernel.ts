/** The host's kernel as the agent sees it. `linux.ts` is the real one, `fake.ts` for unit tests. */
import type { OverlayError } from '../../lib/errors.ts'
import type { Cidr, Ip } from '../../lib/ip.ts'
import type { Mac } from '../../lib/mac.ts'
import type { AnyItem, Item, ObservedItem, SandboxPlace, Veth } from '../state/item.ts'

/** Make the object so, whatever it is now; or remove it. Both may be repeated. */
export type Operation = { readonly do: 'put'; readonly item: Item } | { readonly do: 'delete'; readonly item: AnyItem }

export type OperationResult =
  /** `rebuilt`: a link had to be made anew, or to let go of its neighbours, so that what hung on it is gone. */
  { readonly ok: true; readonly rebuilt: boolean } | { readonly ok: false; readonly error: OverlayError }

/** An address of a network that has another MAC than it had. */
export interface Announcement {
  readonly bridge: string
  readonly address: Ip
  readonly mac: Mac
  /** The veth of the endpoint that has it; undefined: it is on another host. */
  readonly port: string | undefined
}

/** A network namespace, by what it is. */
export interface NetnsIdentity {
  /** SO_NETNS_COOKIE, decimal. */
  readonly cookie: string
}

/** Where the sandbox of a veth is to be found, by the name of the host's end; undefined where nothing is known of it. */
export type SandboxOf = (vethName: string) => SandboxPlace | undefined

/** An interface of the host that can carry VXLAN. */
export interface UnderlayInterface {
  readonly name: string
  readonly mtu: number
  readonly addresses: readonly Ip[]
  /** It is not up. */
  readonly down?: true
}

/** What this host reaches otherwise than by an overlay. */
export interface HostRoute {
  readonly kind: 'route' | 'address'
  /** Of an address: the host prefix, /32 or /128. */
  readonly cidr: Cidr
  /** The interface; empty for a route that leads nowhere (blackhole and the like). */
  readonly via: string
}

/** Addresses on a link of ours, without link-local ones. */
export interface LinkAddresses {
  /** A bridge, or the host's end of a veth. */
  readonly device: string
  readonly alias: string
  /** Of a veth: those of its other end, inside the sandbox. */
  readonly addresses: readonly Ip[]
}

export interface HostRoutesFound {
  readonly routes: readonly HostRoute[]
  /** There are more. */
  readonly truncated: boolean
}

/**
 * What may be another than it was. Each is a reason to look and does not say what
 * has changed; where something was missed, all of them are true.
 */
export interface KernelChanges {
  /**
   * What `observe` tells, but for the firewall: a device of ours, something on one,
   * or on the end that it has in a sandbox; or a foreign link that is or was in the
   * way of one of ours.
   */
  readonly ours: boolean
  /** What `hostRoutes`, `underlays` and `sourceTowards` tell: links, addresses and routes that are not ours. */
  readonly host: boolean
  /** nftables: somebody else's rules, or ours by somebody else. */
  readonly firewall: boolean
}

export interface Kernel {
  /**
   * Calls `changed` whenever somebody else has changed something, until the signal
   * aborts. Nothing is missed from when this returns; what happens within a fifth of
   * a second is told once. What `apply`, `prepare` and `abandon` do is not told.
   * `changed` must not throw.
   * @throws OverlayError
   */
  watchChanges(changed: (changes: KernelChanges) => void, signal: AbortSignal): void
  /**
   * All objects that carry our mark and our cluster's uid, as they are now, the
   * insides of veths as far as they can be seen: link and addresses from here,
   * routes only where `sandboxOf` tells where a veth's sandbox is.
   */
  observe(sandboxOf?: SandboxOf): Promise<readonly ObservedItem[]>
  /**
   * Carries out the operations in order and goes on past failures. One result
   * per operation.
   */
  apply(operations: readonly Operation[]): Promise<readonly OperationResult[]>
  /**
   * Tells the sandboxes on each bridge, but for the one that has the address: who has
   * an entry for it in his ARP or ND cache has the new MAC at once, who has none gets
   * none. Nothing leaves the host. What fails is logged. Throws nothing.
   */
  announce(announcements: readonly Announcement[]): Promise<void>
  /**
   * Does ahead what of a veth's put takes longest and needs no address: the
   * pair, down inside, and unmarked, so that another run of the agent sweeps it if
   * nobody comes back for it; until then `observe` passes it over. The put takes it
   * up; `abandon` removes it.
   * @throws OverlayError as the put.
   */
  prepare(veth: Veth): void
  /** Removes what `prepare` made and no put has taken up. Throws nothing. */
  abandon(vethName: string): void
  /** @throws OverlayError `not_found`, `invalid` (no namespace of a workload), naming the path; another one when it could not be looked at. */
  netnsIdentity(path: string): NetnsIdentity
  /** Whether this host has a link of that name, whoever made it. */
  hasLink(name: string): boolean
  /** The names of the interfaces in a namespace. @throws as `netnsIdentity` */
  interfacesIn(path: string): readonly string[]
  /** What is on our bridges and inside our sandboxes now, whoever put it there. */
  linkAddresses(): Promise<readonly LinkAddresses[]>
  /**
   * Routes of all tables and addresses of this host, without default routes, what
   * is ours, loopback, link-local and multicast. Of very many the widest. Others
   * run while it is read.
   */
  hostRoutes(): Promise<HostRoutesFound>
  /** Interfaces that are up or have addresses, but for loopback and our own. */
  underlays(): readonly UnderlayInterface[]
  /** The source address that the kernel would use towards `destination`, if it has a route. */
  sourceTowards(destination: Ip): Ip | undefined
  close(): void
}
