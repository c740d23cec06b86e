/**
 * The units of reconciliation. An event marks keys dirty; plan, diff and apply
 * work on those alone, so that its cost does not grow with the network.
 */

/**
 * `host`: what all networks share. `strays`: what carries our mark and belongs
 * to nothing. The others name their object in the store.
 */
export type Key = 'host' | 'strays' | `network ${string}` | `endpoint ${string} ${string}`

export type KeyParts =
  | { readonly kind: 'host' }
  | { readonly kind: 'strays' }
  | { readonly kind: 'network'; readonly network: string }
  | { readonly kind: 'endpoint'; readonly network: string; readonly id: string }

export const hostKey: Key = 'host'
export const straysKey: Key = 'strays'
export const networkKey = (network: string): Key => `network ${network}`
export const endpointKey = (network: string, id: string): Key => `endpoint ${network} ${id}`

export function partsOf(key: Key): KeyParts {
  const [kind, network = '', id = ''] = key.split(' ')
  if (kind === 'network') return { kind, network }
  if (kind === 'endpoint') return { kind, network, id }
  return { kind: kind === 'strays' ? 'strays' : 'host' }
}
