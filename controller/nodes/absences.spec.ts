import { expect, it } from 'vitest'
import { createAbsences } from './absences.ts'

const seconds = 1_000

/** An observer with a clock of its own: looks each two seconds, for a grace of a minute. */
function observer({ sessionTtl = 5, grace = 60 * seconds } = {}) {
  const absences = createAbsences({ grace, margin: 10 * seconds, longestGap: 7 * seconds })
  let now = 1_000_000
  const look = (absent: readonly string[], modRevision = 7, watched = true) => {
    const nodes = ['other', 'lost', 'lost2'].map((name) => ({ name, modRevision, sessionTtl }))
    const alive = new Set(nodes.map(({ name }) => name).filter((name) => !absent.includes(name)))
    return absences.look({ began: now, ended: now, nodes, alive, watched }).map(({ name }) => name)
  }
  return {
    absences,
    look,
    wait: (milliseconds: number) => {
      now += milliseconds
    },
    /** Looks on for so long. @returns after how many seconds each one was overdue for the first time. */
    watch: (milliseconds: number, absent: readonly string[] = ['lost'], modRevision?: number) => {
      const found: { [node: string]: number } = {}
      for (let passed = 0; passed <= milliseconds; passed += 2 * seconds, now += 2 * seconds)
        for (const name of look(absent, modRevision)) found[name] ??= passed / seconds
      return found
    },
  }
}

it('finds a node overdue when two looks at least the grace apart, and all between, have not seen it', () => {
  expect(observer().watch(120 * seconds)).toEqual({ lost: 60 })
  expect(observer().watch(58 * seconds)).toEqual({})
})

it('never finds one by a single look', () => {
  expect(observer({ grace: 1 }).look(['lost'])).toEqual([])
})

it('begins anew with a node that showed up, was seen, or wrote its record', () => {
  const { absences, watch } = observer()
  watch(50 * seconds)
  absences.showedUp('lost')
  expect(watch(58 * seconds)).toEqual({})
  watch(2 * seconds, [])
  expect(watch(58 * seconds)).toEqual({})
  expect(watch(58 * seconds, ['lost'], 8)).toEqual({})
  expect(watch(2 * seconds, ['lost'], 8)).toEqual({ lost: 0 })
})

it('counts no time in which it could not look', () => {
  const { absences, wait, watch } = observer()
  watch(40 * seconds)
  absences.interrupted()
  wait(3 * seconds)
  // Twenty seconds are left, less the two since the last look.
  expect(watch(60 * seconds)).toEqual({ lost: 20 })
  const late = observer()
  late.watch(40 * seconds)
  late.wait(600 * seconds)
  expect(late.watch(60 * seconds)).toEqual({ lost: 20 })
})

it('counts no time in which signs of life are not told', () => {
  const { look, wait, watch } = observer()
  watch(40 * seconds)
  for (let n = 0; n < 100; n++, wait(2 * seconds)) expect(look(['lost'], 7, false)).toEqual([])
  // The two seconds before the first of them count: of what happened in them it was told.
  expect(watch(60 * seconds)).toEqual({ lost: 18 })
})

it('knows who was absent at the latest look, and has not shown up since', () => {
  const { absences, look } = observer()
  look(['lost', 'lost2'])
  absences.showedUp('lost2')
  expect(['lost', 'lost2', 'other'].map((name) => absences.isAbsent(name))).toEqual([true, false, false])
})

it('gives all their time to come back to a store that was away, and to one that it sees for the first time', () => {
  expect(observer({ grace: 2 * seconds, sessionTtl: 30 }).watch(60 * seconds)).toEqual({ lost: 40 })
  expect(observer({ grace: 2 * seconds, sessionTtl: 0 }).watch(60 * seconds)).toEqual({ lost: 40 })
  const { absences, watch } = observer()
  watch(58 * seconds)
  absences.interrupted()
  expect(watch(30 * seconds)).toEqual({ lost: 16 })
})

it('begins anew with another store', () => {
  const { absences, watch } = observer()
  watch(58 * seconds)
  absences.reset()
  expect(watch(58 * seconds)).toEqual({})
})

it('takes no time for true in which no node at all was alive', () => {
  const { watch } = observer()
  expect(watch(600 * seconds, ['lost', 'lost2', 'other'])).toEqual({})
  expect(watch(70 * seconds, ['lost', 'lost2'])).toEqual({ lost: 60, lost2: 60 })
})
