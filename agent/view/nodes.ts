/** The nodes: where their VXLAN packets go to, and the endpoints on each, which a new VTEP address concerns. */
import type { Ip } from '../../lib/ip.ts'
import type { EndpointView } from '../state/view.ts'
import { remoteEndpoint } from './records.ts'

export class Nodes {
  readonly #vteps = new Map<string, Ip>()
  readonly #endpoints = new Map<string, Set<EndpointView>>()
  /** Names of networks and nodes: one string for all the endpoints that have it. */
  readonly #names = new Map<string, string>()

  vtepOf(node: string): Ip | undefined {
    return this.#vteps.get(node)
  }

  /** Those of all nodes but this one. */
  vtepsBeside(node: string): readonly Ip[] {
    return [...this.#vteps].flatMap(([name, vtep]) => (name === node ? [] : [vtep]))
  }

  /** @returns whether it is another than before. */
  setVtep(node: string, vtep: Ip | undefined): boolean {
    if (this.#vteps.get(node) === vtep) return false
    if (vtep) this.#vteps.set(node, vtep)
    else this.#vteps.delete(node)
    return true
  }

  endpointsOn(node: string): Iterable<EndpointView> {
    return this.#endpoints.get(node) ?? []
  }

  /** Puts an endpoint in the place of what it was `before`. */
  put(endpoint: EndpointView, before: EndpointView | undefined): void {
    if (before) this.delete(before)
    const endpoints = this.#endpoints.get(endpoint.node) ?? new Set()
    this.#endpoints.set(endpoint.node, endpoints.add(endpoint))
  }

  delete(endpoint: EndpointView): void {
    this.#endpoints.get(endpoint.node)?.delete(endpoint)
  }

  /** What is kept of another host's endpoint. */
  remote(endpoint: EndpointView): EndpointView {
    return remoteEndpoint(endpoint, this.#nameOf(endpoint.network), this.#nameOf(endpoint.node))
  }

  #nameOf(text: string): string {
    const name = this.#names.get(text) ?? text
    this.#names.set(name, name)
    return name
  }
}
