import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findOrder, type Model, type Step } from './linearizable.ts'

type Action = { readonly write: number } | { readonly read: number }

const register: Model<number, Action> = {
  initial: 0,
  apply: (state, action) => ('write' in action ? action.write : action.read === state ? state : undefined),
  text: String,
}

const write = (value: number, start: number, end: number): Step<Action> => ({ action: { write: value }, start, end })
const read = (value: number, start: number, end: number): Step<Action> => ({ action: { read: value }, start, end })
const perhaps = (step: Step<Action>): Step<Action> => ({ ...step, isOptional: true })
const holds = (...history: readonly Step<Action>[]) => findOrder(history, register).isLinearizable

describe('findOrder, of a register', () => {
  it.each([
    ['nothing', []],
    ['one after the other', [write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7)]],
    ['a read beside a write sees the old value', [write(1, 0, 10), read(0, 1, 2)]],
    ['or the new one', [write(1, 0, 10), read(1, 1, 2)]],
    ['two reads beside a write: old, then new', [write(1, 0, 10), read(0, 1, 2), read(1, 3, 4)]],
    ['two writes at once, in either order', [write(1, 0, 5), write(2, 0, 5), read(1, 6, 7)]],
    ['a write without an answer that took effect late', [perhaps(write(1, 0, 100)), read(0, 1, 2), read(1, 3, 4)]],
    ['or never', [perhaps(write(1, 0, 100)), read(0, 1, 2), read(0, 3, 4)]],
    ['an end that is a start at once counts as overlap', [write(1, 0, 1), read(0, 1, 2)]],
  ] satisfies [string, Step<Action>[]][])('takes: %s', (_, history) => {
    expect(holds(...history)).toBe(true)
  })

  it.each([
    ['a read of what was never written', [read(1, 0, 1)]],
    ['a lost write', [write(1, 0, 1), read(0, 2, 3)]],
    ['two reads beside a write: new, then old', [write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)]],
    ['a write that comes back', [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)]],
    [
      'one of two writes at once that changes after both',
      [write(1, 0, 5), write(2, 0, 5), read(1, 6, 7), read(2, 8, 9)],
    ],
    [
      'a write without an answer that took effect twice',
      [perhaps(write(1, 0, 100)), write(2, 1, 2), read(1, 3, 4), write(3, 5, 6), read(1, 7, 8)],
    ],
    ['a write without an answer before it was called', [read(1, 0, 1), perhaps(write(1, 2, 100))]],
    ['one after the end of its time', [perhaps(write(1, 0, 1)), read(0, 2, 3), read(1, 4, 5)]],
  ] satisfies [string, Step<Action>[]][])('rejects: %s', (_, history) => {
    expect(holds(...history)).toBe(false)
  })

  it('says how far it came, and what could not come next', () => {
    const verdict = findOrder([write(1, 0, 1), read(1, 2, 3), read(0, 4, 5)], register)
    expect(verdict).toEqual({
      isLinearizable: false,
      order: [write(1, 0, 1), read(1, 2, 3)],
      stuck: [read(0, 4, 5)],
    })
  })

  it('takes every history that was made by an object, and gives an order that it allows', () => {
    fc.assert(
      fc.property(histories(), (history) => {
        const verdict = findOrder(history, register)
        expect(verdict.isLinearizable).toBe(true)
        let state = 0
        for (const { action } of verdict.order) {
          const after = register.apply(state, action)
          expect(after).toBeDefined()
          state = after ?? 0
        }
        verdict.order.forEach((step, at) => {
          for (const later of verdict.order.slice(at + 1)) expect(later.end).toBeGreaterThanOrEqual(step.start)
        })
      }),
    )
  })

  it('agrees with trying all orders', () => {
    fc.assert(
      fc.property(fc.array(anyStep(), { maxLength: 6 }), (history) => {
        expect(holds(...history)).toBe(tryAll(history, 0))
      }),
      { numRuns: 500 },
    )
  })

  it('does not take for ever where many are open at once', () => {
    const many = Array.from({ length: 10 }, (_, n) => write(n, 0, 100))
    expect(holds(...many, read(99, 101, 102))).toBe(false)
  })
})

/** Steps with their moments of effect, from which calls and answers are a little apart. */
function histories() {
  return fc.array(fc.tuple(fc.boolean(), fc.nat(3), fc.nat(30), fc.nat(30)), { maxLength: 12 }).map((drawn) => {
    let state = 0
    return drawn.map(([isWrite, value, before, after], n): Step<Action> => {
      if (isWrite) state = value
      const action = isWrite ? { write: value } : { read: state }
      return { action, start: n * 10 - before, end: n * 10 + after }
    })
  })
}

function anyStep() {
  return fc.tuple(fc.boolean(), fc.nat(2), fc.nat(8), fc.nat(4), fc.boolean()).map(
    ([isWrite, value, start, length, isOptional]): Step<Action> => ({
      action: isWrite ? { write: value } : { read: value },
      start,
      end: start + length,
      isOptional,
    }),
  )
}

/** Slow and plain: every order of what is left. */
function tryAll(left: readonly Step<Action>[], state: number, latest = -Infinity): boolean {
  if (left.every(({ isOptional }) => isOptional)) return true
  return left.some((step) => {
    const others = left.filter((other) => other !== step)
    if (step.end < latest) return false
    if (others.some((other) => !other.isOptional && other.end < step.start)) return false
    const after = register.apply(state, step.action)
    return after !== undefined && tryAll(others, after, Math.max(latest, step.start))
  })
}
