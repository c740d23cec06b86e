/** What is told of nodes: of their records, whether they live, are drained, and mend their hosts. */
import { type Drain, type Event, type EventAction, type Init, Node, type Session } from '../proto/index.ts'
import type { Keys } from '../store/keys.ts'
import type { AgentLinks } from './agent-links.ts'
import { subject } from './differences.ts'
import type { RangeView } from './range-view.ts'
import { moreRepairsText, repairText } from './repairs.ts'

export const actions = { created: 'CREATED', updated: 'UPDATED', removed: 'REMOVED' } as const

export interface NodeEventsOptions {
  readonly keys: Keys
  readonly nodes: RangeView<Node>
  readonly sessions: RangeView<Session>
  readonly drains: RangeView<Drain>
  /** Agents tell there what they mend. */
  readonly links: Pick<AgentLinks, 'onRepairs'>
  readonly tell: (action: EventAction, object: Init<Event>) => void
}

/** Resolves when what there was at the beginning is known, and is told no more. */
export async function tellOfNodes({ keys, nodes, sessions, drains, links, tell }: NodeEventsOptions): Promise<void> {
  /** Those that live, as they last were. */
  const live = new Map<string, Node>()
  const recordOf = (name: string) => nodes.entries.get(keys.node(name).path)?.value ?? live.get(name)
  /** An agent opens its session before it registers: its node lives once both are there, in whichever order they are seen. */
  const look = (name: string) => {
    const node = recordOf(name)
    if (!node || !sessions.entries.has(keys.session(name).path)) return
    if (!live.has(name)) tell('LIVE', { node })
    live.set(name, node)
  }
  nodes.onDifference((one) => {
    tell(actions[one.kind], { node: subject(one) })
    look(subject(one).name)
  })
  sessions.onDifference((one) => {
    const { node: name } = subject(one)
    if (one.kind !== 'removed') return look(name)
    const node = recordOf(name)
    if (node && live.delete(name)) tell('LOST', { node })
  })
  drains.onDifference((one) => {
    const { node: name, reason } = subject(one)
    const node = recordOf(name)
    // A node that is removed takes the mark with it.
    if (one.kind === 'removed') return node && tell('UPDATED', { node, message: 'no longer drained' })
    tell('UPDATED', { node: node ?? Node.create({ name }), message: `drained${reason && `: ${reason}`}` })
  })
  links.onRepairs((name, { deviations, more }) => {
    const node = recordOf(name) ?? Node.create({ name })
    for (const deviation of deviations) tell('REPAIRED', { node, deviation, message: repairText(name, deviation) })
    if (more > 0) tell('REPAIRED', { node, message: moreRepairsText(name, more) })
  })
  await Promise.all([nodes, drains, sessions].map((view) => view.inSync))
  for (const { value } of sessions.entries.values()) look(value.node)
}
