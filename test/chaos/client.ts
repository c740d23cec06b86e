/** One of those who use the cluster at once: decides, does, is told, and goes on. */
import { pause } from '../../lib/retry.ts'
import type { Action, Recorder } from './operations.ts'
import type { Peers } from './peers.ts'
import type { Random } from './random.ts'
import { type ClientSetting, decide } from './setting.ts'

export interface ClientParts {
  readonly setting: ClientSetting
  readonly random: Random
  readonly peers: Peers
  readonly recorder: Recorder
}

type Attach = Extract<Action, { readonly do: 'attach' }>
type Vanish = Extract<Action, { readonly do: 'vanish' }>

export interface ChaosClient {
  /** Works until the signal aborts; resolves when the last step is done. May be called again. */
  work(signal: AbortSignal): Promise<void>
}

export function createClient({ setting, random, peers, recorder }: ClientParts): ChaosClient {
  /** By endpoint: the attach that was answered with it. Those that were not asked to be detached since. */
  const attached = new Map<string, Attach>()
  const perform = (action: Action) => recorder.record(setting.name, action, () => peers.perform(action))
  const attach = async (action: Attach) => {
    const outcome = await perform(action)
    if (outcome.is === 'done' && outcome.endpoint) attached.set(outcome.endpoint.id, action)
  }
  /** As a container that is started anew: what was in it is attached again, if `isRestart`. */
  const vanish = async (action: Vanish, absence: number, isRestart: boolean, signal: AbortSignal) => {
    await perform(action)
    await pause(absence, signal)
    await perform({ do: 'appear', slot: action.slot })
    const lost = [...attached].filter(([, { slot }]) => slot === action.slot)
    for (const [id, before] of lost) {
      attached.delete(id)
      if (isRestart && !signal.aborted) await attach({ ...before, addresses: [] })
    }
  }
  return {
    async work(signal) {
      for (;;) {
        const { pause: before, action, choice, absence } = decide(random, setting)
        await pause(before, signal)
        if (signal.aborted) return
        if (action.do === 'vanish') await vanish(action, absence, choice !== undefined, signal)
        else if (action.do === 'attach') await attach(action)
        else if (action.do === 'detach') {
          const known = [...attached]
          const [endpointId, { slot } = action] = known[Math.floor((choice ?? 1) * known.length)] ?? []
          if (endpointId !== undefined) attached.delete(endpointId)
          await perform({ ...action, slot, endpointId })
        } else await perform(action)
      }
    },
  }
}
