/** The endpoints of one network that is followed, and what is asked about them without going through all. */
import type { Ip } from '../../lib/ip.ts'
import type { EndpointView } from '../state/view.ts'

export class Members {
  readonly #node: string
  readonly #byId = new Map<string, EndpointView>()
  readonly #owners = new Map<Ip, string>()
  readonly #local = new Map<string, EndpointView>()
  /** How many plugged in endpoints each other node has, where it has any. */
  readonly #pluggedOn = new Map<string, number>()
  /** Own endpoints that we removed, until the watch has passed the removal. */
  readonly #removed = new Map<string, number>()
  #seen = 0

  /** `node` is this host's. */
  constructor(node: string) {
    this.#node = node
  }

  get(id: string): EndpointView | undefined {
    return this.#byId.get(id)
  }

  all(): Iterable<EndpointView> {
    return this.#byId.values()
  }

  /** Those of this host. */
  local(): Iterable<EndpointView> {
    return this.#local.values()
  }

  /** Other nodes that have an endpoint with a sandbox, and so the network. */
  otherNodes(): Iterable<string> {
    return this.#pluggedOn.keys()
  }

  hasOn(node: string): boolean {
    return this.#pluggedOn.has(node)
  }

  ownerOf(address: Ip): string | undefined {
    return this.#owners.get(address)
  }

  /** Puts the endpoint in the place of what has its id. @returns whether `otherNodes` are others than before. */
  put(endpoint: EndpointView): boolean {
    const before = this.#byId.get(endpoint.id)
    // First: a node that had it and has it now never was without.
    const came = this.#count(endpoint, 1)
    const went = before !== undefined && this.#forget(before)
    this.#byId.set(endpoint.id, endpoint)
    for (const address of endpoint.addresses) this.#owners.set(address, endpoint.id)
    if (endpoint.node === this.#node) this.#local.set(endpoint.id, endpoint)
    return came || went
  }

  /** @returns as `put`. */
  delete(endpoint: EndpointView): boolean {
    return this.#forget(endpoint)
  }

  /** We removed it ourselves at this revision. */
  removeAt(id: string, revision: number): void {
    this.#removed.set(id, revision)
  }

  wasRemoved(id: string): boolean {
    return this.#removed.has(id)
  }

  /** What we removed was in another history of the store. */
  forgetRemoved(): void {
    this.#removed.clear()
    this.#seen = 0
  }

  /** The watch has told everything up to `revision`. */
  seenUpTo(revision: number): void {
    this.#seen = revision
    for (const [id, at] of this.#removed) if (at <= revision) this.#removed.delete(id)
  }

  hasSeen(revision: number): boolean {
    return this.#seen >= revision
  }

  #forget(endpoint: EndpointView): boolean {
    this.#byId.delete(endpoint.id)
    this.#local.delete(endpoint.id)
    for (const address of endpoint.addresses)
      if (this.#owners.get(address) === endpoint.id) this.#owners.delete(address)
    return this.#count(endpoint, -1)
  }

  #count({ node, sandbox }: EndpointView, step: 1 | -1): boolean {
    if (node === this.#node || !sandbox) return false
    const before = this.#pluggedOn.get(node) ?? 0
    const now = before + step
    if (now > 0) this.#pluggedOn.set(node, now)
    else this.#pluggedOn.delete(node)
    return before === 0 || now === 0
  }
}
