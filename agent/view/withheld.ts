/** What the store took away from this host without a proof: it stays, and so does everything else. */
import type { Guard } from '../guard.ts'
import type { Key } from '../state/key.ts'
import type { EndpointView } from '../state/view.ts'
import type { View } from './view.ts'

export interface Withheld {
  /**
   * Whether the record of this endpoint may be gone: it is another node's, is
   * not running, is unsettled, or is of a former generation of this node.
   */
  isProven(endpoint: EndpointView): boolean
  /** An own endpoint that lives is not in the store. */
  addEndpoint(endpoint: EndpointView): void
  /** Its record is there again, or it was detached: then that matters no more. */
  endpointSettled(id: string): void
  /**
   * A network with live endpoints here is not in the store, or is another one
   * there: `takeOther` takes that in, once this one is given up.
   */
  addNetwork(name: string, takeOther?: () => void): void
  networkReturned(name: string): void
  /** Gives up what is proven gone by now, because the node has another generation or the endpoints are no more. */
  review(): void
}

export interface WithheldOptions {
  readonly view: View
  readonly guard: Guard
  /** The node's current generation; undefined while it is evicted. */
  readonly generation: () => number | undefined
  readonly onDirty: (keys: readonly Key[]) => void
  /** As in handlers.ts. */
  readonly onUnneeded: (network: string) => void
}

export function createWithheld({ view, guard, generation, onDirty, onUnneeded }: WithheldOptions): Withheld {
  const endpoints = new Map<string, EndpointView>()
  const networks = new Map<string, (() => void) | undefined>()

  const isProven = (endpoint: EndpointView) => {
    if (endpoint.node !== view.self.node || view.hasOpenIntent(endpoint.id)) return true
    if (endpoint.sandbox?.bootId !== view.self.bootId) return true
    const current = generation()
    return current === undefined || endpoint.createRevision < current
  }
  const endpointSettled = (id: string) => {
    endpoints.delete(id)
    guard.set(`endpoint ${id}`, undefined)
  }
  const networkReturned = (name: string) => {
    networks.delete(name)
    guard.set(`network ${name}`, undefined)
  }
  return {
    isProven,
    addEndpoint(endpoint) {
      const { network, id } = endpoint
      endpoints.set(id, endpoint)
      view.setEndpoint(endpoint)
      guard.set(
        `endpoint ${id}`,
        `endpoint ${id} of network ${network} lives on this host, but its record is gone from the store and nobody detached it: write it back ("overlayctl node resync ${view.self.node}"), or detach it here ("overlayctl detach ${id}")`,
      )
    },
    endpointSettled,
    addNetwork(name, takeOther) {
      networks.set(name, takeOther)
      const instead = takeOther ? 'is another network in the store' : 'no record in the store'
      guard.set(
        `network ${name}`,
        `network ${name} has live endpoints on this host but ${instead}: restore the store, or give them up ("overlayctl node resync --discard ${view.self.node}")`,
      )
    },
    networkReturned,
    review() {
      for (const { network, id } of [...endpoints.values()].filter(isProven)) {
        onDirty(view.removeEndpoint(network, id))
        endpointSettled(id)
        onUnneeded(network)
      }
      for (const [name, takeOther] of networks) {
        if (view.hasLiveEndpoint(name)) continue
        onDirty(view.removeNetwork(name))
        networkReturned(name)
        onUnneeded(name)
        takeOther?.()
      }
    },
  }
}
