/** Claims and releases that are under way: on disk, and in the view so that plan leaves them alone. */
import type { Intent } from '../node/intent-file.ts'
import type { StateDir } from '../node/state-dir.ts'
import type { Key } from '../state/key.ts'

export interface Intents {
  open(): readonly Intent[]
  isOpen(endpointId: string): boolean
  /** @returns the keys that become dirty. */
  begin(intent: Intent): readonly Key[]
  end(intent: Pick<Intent, 'network' | 'endpointId'>): readonly Key[]
}

/** Takes up what a former run of the agent left open. */
export function createIntents(
  stateDir: Pick<StateDir, 'readIntents' | 'writeIntent' | 'removeIntent'>,
  setOpen: (network: string, endpointId: string, open: boolean) => readonly Key[],
): Intents {
  const intents = new Map(stateDir.readIntents().map((intent) => [intent.endpointId, intent]))
  for (const { network, endpointId } of intents.values()) setOpen(network, endpointId, true)
  return {
    open: () => [...intents.values()],
    isOpen: (endpointId) => intents.has(endpointId),
    begin(intent) {
      stateDir.writeIntent(intent)
      intents.set(intent.endpointId, intent)
      return setOpen(intent.network, intent.endpointId, true)
    },
    end({ network, endpointId }) {
      stateDir.removeIntent(endpointId)
      intents.delete(endpointId)
      return setOpen(network, endpointId, false)
    },
  }
}
