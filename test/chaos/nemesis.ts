/** Brings the faults about, and ends them. */
import { pause } from '../../lib/retry.ts'
import type { Cuts, Way } from '../lab/cuts.ts'
import type { Lab } from '../lab/lab.ts'
import type { Daemons } from './daemons.ts'
import { driftBy } from './drift.ts'
import { compact, moveLeader } from './etcd-faults.ts'
import { type Direction, type Fault, faultName, faultText, nextFault } from './faults.ts'
import type { Random } from './random.ts'
import { steadyNetwork } from './setting.ts'

export interface NemesisParts {
  readonly lab: Pick<Lab, 'host' | 'members' | 'etcdMembers'>
  readonly daemons: Daemons
  readonly cuts: Cuts
  readonly random: Random
  readonly steadyVni: number
  readonly now: () => number
  /** Up to here the store's changes are known to whoever checks them: nothing later is compacted. */
  readonly known: () => number
}

export interface Nemesis {
  /**
   * Faults, one over the other, until the signal aborts; resolves when none is being begun or ended.
   * @throws Error when one cannot be brought about or ended.
   */
  rage(signal: AbortSignal): Promise<void>
  /** Ends all that there are: everything runs again, though it may not be ready yet. */
  heal(): Promise<void>
  /** How many of each were brought about. */
  readonly counts: ReadonlyMap<string, number>
  /** A line each, with its times. */
  readonly story: readonly string[]
}

/** At a time. */
const most = 3

export function createNemesis(parts: NemesisParts): Nemesis {
  const { daemons, cuts, random, now } = parts
  const counts = new Map<string, number>()
  const story: string[] = []
  /** How to end those that there are, by what they are done to. */
  const active = new Map<string, () => Promise<void>>()
  const tell = (line: string) => story.push(`${(now() / 1000).toFixed(3)} ${line}`)

  const end = async (key: string) => {
    const undo = active.get(key)
    active.delete(key)
    if (undo) await undo()
  }
  const begin = async (fault: Fault): Promise<string | undefined> => {
    const key = keyOf(fault)
    if (active.has(key) || active.size >= most) return undefined
    active.set(key, async () => undefined)
    const begun = await bringAbout(parts, fault).catch((error: unknown) => {
      active.delete(key)
      throw error
    })
    if (!begun) {
      active.delete(key)
      return undefined
    }
    const { undo } = begun
    if (undo)
      active.set(key, async () => {
        await undo()
        tell(`end of: ${faultText(fault)}`)
      })
    else active.delete(key)
    counts.set(faultName(fault), (counts.get(faultName(fault)) ?? 0) + 1)
    tell(`${faultText(fault)}${begun.detail ? `: ${begun.detail}` : ''}`)
    return key
  }
  const strike = async (fault: Fault, lasts: number, over: AbortSignal): Promise<void> => {
    const key = await begin(fault)
    if (key === undefined) return
    await pause(lasts, over)
    if (!over.aborted) await end(key)
  }
  return {
    counts,
    story,
    async rage(signal) {
      const failures: unknown[] = []
      const failed = new AbortController()
      const over = AbortSignal.any([signal, failed.signal])
      const running = new Set<Promise<void>>()
      while (!over.aborted) {
        const { fault, after, lasts } = nextFault(random)
        await pause(after, over)
        if (over.aborted) break
        const run = strike(fault, lasts, over)
          .catch((error: unknown) => {
            tell(`failed: ${faultText(fault)}: ${String(error)}`)
            failures.push(new Error(`fault "${faultText(fault)}": ${String(error)}`, { cause: error }))
            failed.abort()
          })
          .finally(() => running.delete(run))
        running.add(run)
      }
      await Promise.all(running)
      if (failures.length > 0) throw failures[0]
    },
    async heal() {
      await Promise.all([...active.keys()].map(end))
      await cuts.heal()
      await Promise.all(
        [...daemons.all.values()].map(async (each) => {
          if (each.daemon.running) await each.daemon.thaw()
          else await each.start()
        }),
      )
      tell('all faults are over')
    },
  }
}

/** Two faults with the same key are not there at once: who is killed cannot be frozen. */
function keyOf(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'freeze':
      return fault.of
    case 'cut':
      return `${fault.of} ${fault.some.join()}`
    case 'leader':
    case 'compact':
      return fault.kind
    case 'drift':
      return 'drift'
  }
}

interface Begun {
  /** Undefined: it was over at once. */
  readonly undo?: () => Promise<void>
  readonly detail?: string | undefined
}

/** Undefined: there was nothing to do it to. */
async function bringAbout(parts: NemesisParts, fault: Fault): Promise<Begun | undefined> {
  switch (fault.kind) {
    case 'kill':
    case 'freeze': {
      const targets = fault.targets.flatMap((name) => parts.daemons.all.get(name) ?? [])
      if (fault.kind === 'kill') {
        await Promise.all(targets.map((each) => each.kill()))
        return { undo: async () => void (await Promise.all(targets.map((each) => each.start()))) }
      }
      await Promise.all(targets.map(({ daemon }) => daemon.freeze()))
      return { undo: async () => void (await Promise.all(targets.map(({ daemon }) => daemon.thaw()))) }
    }
    case 'cut':
      return { undo: await parts.cuts.cut(waysOf(parts.lab, fault)) }
    case 'leader':
      return moveLeader(parts.lab.etcdMembers)
    case 'compact':
      return compact(parts.lab.etcdMembers, parts.known())
    case 'drift': {
      const host = parts.lab.host(fault.host)
      const how = { host, spared: parts.steadyVni, sparedNetwork: steadyNetwork, choice: fault.choice }
      const detail = await driftBy(fault.of, how)
      return detail === undefined ? undefined : { detail }
    }
  }
}

function waysOf(
  { members }: Pick<Lab, 'members'>,
  { some, others, direction }: Extract<Fault, { kind: 'cut' }>,
): readonly Way[] {
  const address = (name: string) => members.get(namespaceOf(name))?.address ?? ''
  const pairs = some.flatMap((one) => others.map((other): Way => [address(one), address(other)]))
  const back = pairs.map(([one, other]): Way => [other, one])
  const ways: Record<Direction, readonly Way[]> = { there: pairs, back, both: [...pairs, ...back] }
  return ways[direction]
}

function namespaceOf(name: string): string {
  const number = /^controller-(\d+)$/.exec(name)?.[1]
  if (number === undefined) return name
  return number === '1' ? 'ctl' : `ctl${number}`
}
