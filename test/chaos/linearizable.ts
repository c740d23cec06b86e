/**
 * Whether a recorded history of one object could be that of an object where
 * each operation takes effect at one moment, between its call and its return
 * (Herlihy and Wing 1990). The search is that of Wing and Gong (1993), with the
 * visited states of Lowe (2017) so that it does not walk the same way twice.
 */

/** What is known of one operation on the object. */
export interface Step<A> {
  readonly action: A
  /** When it was called, and when it was answered; on one clock. */
  readonly start: number
  readonly end: number
  /** Its outcome is not known: it took effect once within its time, or never. */
  readonly isOptional?: boolean
}

/** What the object is, one at a time. */
export interface Model<S, A> {
  readonly initial: S
  /** The state after the action; undefined: it cannot have come to this in that state. */
  readonly apply: (state: S, action: A) => S | undefined
  /** Two states with the same text are the same. */
  readonly text: (state: S) => string
}

export type Verdict<A> =
  | { readonly isLinearizable: true; readonly order: readonly Step<A>[] }
  /** The longest order that could be found, and those of which none can come next. */
  | { readonly isLinearizable: false; readonly order: readonly Step<A>[]; readonly stuck: readonly Step<A>[] }

/** One way on: the order up to here, and what can come next, of which `tried` were. */
interface Place<S, A> {
  readonly state: S
  readonly step: Step<A> | undefined
  readonly at: number
  readonly candidates: readonly number[]
  tried: number
}

/**
 * Looks for an order of all steps that are not optional, and of some that are,
 * in which each comes after all that were answered before it was called, and
 * which the model allows.
 */
export function findOrder<S, A>(history: readonly Step<A>[], model: Model<S, A>): Verdict<A> {
  const steps = history.toSorted((a, b) => a.start - b.start)
  const isDone = new Uint8Array(steps.length)
  let left = steps.filter(({ isOptional }) => !isOptional).length
  const visited = new Set<string>()
  const place = (state: S, step?: Step<A>, at = -1): Place<S, A> => ({
    state,
    step,
    at,
    candidates: candidates(steps, isDone),
    tried: 0,
  })
  const path = [place(model.initial)]
  let longest: readonly Step<A>[] = []
  let stuck: readonly Step<A>[] = []

  while (left > 0) {
    const here = path.at(-1)
    if (!here) return { isLinearizable: false, order: longest, stuck }
    const next = here.candidates[here.tried++]
    if (next === undefined) {
      if (path.length > longest.length + 1 || stuck.length === 0) {
        longest = path.flatMap(({ step }) => step ?? [])
        stuck = here.candidates.flatMap((each) => steps[each] ?? [])
      }
      path.pop()
      if (here.step) {
        isDone[here.at] = 0
        if (!here.step.isOptional) left++
      }
      continue
    }
    const step = steps[next]
    if (!step) continue
    const after = model.apply(here.state, step.action)
    if (after === undefined) continue
    // What may never have been, and changes nothing, need not be looked at.
    if (step.isOptional && model.text(after) === model.text(here.state)) continue
    isDone[next] = 1
    const seen = `${isDone.join('')} ${model.text(after)}`
    if (visited.has(seen)) {
      isDone[next] = 0
      continue
    }
    visited.add(seen)
    if (!step.isOptional) left--
    path.push(place(after, step, next))
  }
  return { isLinearizable: true, order: path.flatMap(({ step }) => step ?? []) }
}

/** Those that no other, still to come, was answered before. */
function candidates<A>(steps: readonly Step<A>[], isDone: Uint8Array): readonly number[] {
  let firstEnd = Infinity
  steps.forEach((step, at) => {
    if (!isDone[at] && !step.isOptional) firstEnd = Math.min(firstEnd, step.end)
  })
  return steps.flatMap(({ start, end, isOptional }, at) => {
    if (isDone[at] || start > firstEnd) return []
    // One whose time was over before another was called can take effect no more: the order has passed it.
    return isOptional && end < latestStart(steps, isDone) ? [] : [at]
  })
}

/** When the last of those that are done was called: everything from now on comes after that. */
function latestStart<A>(steps: readonly Step<A>[], isDone: Uint8Array): number {
  let latest = -Infinity
  steps.forEach(({ start }, at) => {
    if (isDone[at]) latest = Math.max(latest, start)
  })
  return latest
}
