/** Requests that must not be sent: they would be right to take away what the fuzzing itself stands on. */
import type { Rpc } from './surface.ts'

export interface Protected {
  /** Names and uids of the nodes: neither to be removed nor drained. */
  readonly nodes: readonly string[]
  /** A network with its endpoints, by names and ids: it has to work all the time. */
  readonly canary: readonly string[]
}

/** By what the server would read in it; what it cannot read it refuses. */
export function isForbidden(
  rpc: Pick<Rpc, 'name' | 'input'>,
  bytes: Uint8Array,
  { nodes, canary }: Protected,
): boolean {
  const named = textsIn(rpc, bytes)
  const names = (thing: string) => named.some((text) => text !== '' && thing.startsWith(text))
  const takesNodes = /^Nodes\/(Remove|Drain)$/.test(rpc.name)
  return canary.some(names) || (takesNodes && nodes.some(names))
}

function textsIn({ input }: Pick<Rpc, 'input'>, bytes: Uint8Array): readonly string[] {
  try {
    return textsOf(input.toObject(input.decode(bytes)))
  } catch {
    return []
  }
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}
