import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { groupCommit } from './group-commit.ts'
import type { Compare, Entry, Key, Outcome, Transaction, Write } from './store.ts'
import { OutcomeUnknownError, StoreFullError } from './store.ts'

interface Revisions {
  readonly createRevision: number
  readonly modRevision: number
}
type State = ReadonlyMap<string, Revisions>

const absent = (path: string): Compare => ({ on: 'key', path, createRevision: 0 })
const put = (path: string): Write => ({ do: 'put', path, value: '', lease: undefined })
const remove = (path: string): Write => ({ do: 'delete', path })
const read = (path: string): Key<unknown> => ({ path, type: null })
/** As a claim: create if absent, fenced by a record that all compare. */
const create = (path: string): Transaction => ({
  compares: [{ on: 'key', path: 'node', modRevision: 1 }, absent(path)],
  writes: [put(path)],
  otherwise: [read('node'), read(path)],
})

/** An etcd in memory that answers when it is told to. */
function memory() {
  /** By revision. */
  const states: State[] = [new Map(), new Map([['node', { createRevision: 1, modRevision: 1 }]])]
  const sent: Transaction[] = []
  const answers: (() => void)[] = []
  let failure: (transaction: Transaction) => Error | undefined = () => undefined
  const apply = ({ compares, writes, otherwise = [] }: Transaction): Outcome => {
    const now = states.at(-1) ?? new Map<string, Revisions>()
    const revision = states.length
    if (!compares.every((compare) => holds(now, compare)))
      return { committed: false, revision: revision - 1, found: otherwise.map(({ path }) => entryAt(now, path)) }
    const paths = writes.map((write) => ('path' in write ? write.path : write.prefix))
    if (new Set(paths).size < paths.length) throw new OverlayError('internal', 'duplicate key given in txn request')
    const after = new Map(now)
    for (const [at, write] of writes.entries()) {
      const path = paths[at] ?? ''
      if (write.do === 'put')
        after.set(path, { createRevision: now.get(path)?.createRevision ?? revision, modRevision: revision })
      else after.delete(path)
    }
    states.push(after)
    return { committed: true, revision }
  }
  return {
    states,
    sent,
    fail: (how: typeof failure) => {
      failure = how
    },
    commit: (transaction: Transaction) =>
      new Promise<Outcome>((resolve, reject) => {
        sent.push(transaction)
        answers.push(() => {
          try {
            const error = failure(transaction)
            if (error) throw error
            resolve(apply(transaction))
          } catch (error) {
            reject(error)
          }
        })
      }),
    /** Answers all that was sent, and what is sent then, until nothing is. */
    async answer() {
      for (let idle = 0; idle < 3; ) {
        const due = answers.splice(0)
        idle = due.length > 0 ? 0 : idle + 1
        for (const one of due) one()
        await new Promise(setImmediate)
      }
    },
  }
}

function holds(state: State, compare: Compare): boolean {
  if (compare.on === 'range') return true
  const found = state.get(compare.path)
  return 'createRevision' in compare
    ? (found?.createRevision ?? 0) === compare.createRevision
    : (found?.modRevision ?? 0) === compare.modRevision
}

function entryAt(state: State, path: string): Entry<unknown> | undefined {
  const found = state.get(path)
  return found && { path, value: null, json: {}, ...found }
}

const sizes = (sent: readonly Transaction[]) => sent.map(({ writes }) => writes.length)

afterEach(() => {
  vi.useRealTimers()
})

describe('groupCommit', () => {
  it('sends one alone as it is, at once', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const transaction = create('a')
    const answer = commit(transaction)
    expect(etcd.sent).toEqual([transaction])
    await etcd.answer()
    expect(await answer).toEqual({ committed: true, revision: 2 })
  })

  it('sends together what waits meanwhile, with what they have in common once', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const answers = ['a', 'b', 'c', 'd'].map((path) => commit(create(path)))
    await etcd.answer()
    expect(sizes(etcd.sent)).toEqual([1, 3])
    expect(etcd.sent[1]).toMatchObject({ compares: { length: 4 }, otherwise: { length: 4 } })
    expect((await Promise.all(answers)).map(({ revision }) => revision)).toEqual([2, 3, 3, 3])
  })

  it('those who were answered and come again find their company', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const loops = ['a', 'b', 'c'].map(async (name) => {
      for (let n = 0; n < 5; n++) await commit(create(`${name}${n}`))
    })
    await etcd.answer()
    await Promise.all(loops)
    expect(sizes(etcd.sent)).toEqual([1, 3, 3, 3, 3, 2])
  })

  it('refuses the one that lost, with what it asked to read, and sends the others again', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    await Promise.all([commit(create('b')), etcd.answer()])
    const answers = ['a', 'b', 'c'].map((path) => commit(create(path)))
    await etcd.answer()
    expect(await Promise.all(answers)).toEqual([
      { committed: true, revision: 3 },
      {
        committed: false,
        revision: 3,
        found: [entryAt(etcd.states[3] ?? new Map(), 'node'), entryAt(etcd.states[3] ?? new Map(), 'b')],
      },
      { committed: true, revision: 4 },
    ])
    expect(sizes(etcd.sent)).toEqual([1, 1, 2, 1])
  })

  it('keeps apart what touches the same', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const answers = [create('x'), create('a'), create('a'), { compares: [absent('a')], writes: [remove('b')] }].map(
      commit,
    )
    await etcd.answer()
    expect((await Promise.all(answers)).map(({ committed }) => committed)).toEqual([true, true, false, false])
  })

  it('sends alone what is about ranges, and what fails for no reason that can be seen', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const range: Transaction = {
      compares: [{ on: 'range', prefix: 'p/', emptyOrUnchangedSince: 'empty' }],
      writes: [put('r')],
    }
    const unseen: Compare = { on: 'key', path: 'unseen', createRevision: 7 }
    const blind: Transaction = { compares: [unseen], writes: [put('n')] }
    const answers = [create('x'), range, create('a'), blind, create('b')].map(commit)
    await etcd.answer()
    expect((await Promise.all(answers)).map(({ committed }) => committed)).toEqual([true, true, true, false, true])
    expect(etcd.sent[1]).toBe(range)
    expect(sizes(etcd.sent)).toEqual([1, 1, 3, 1, 1, 1])
  })

  it('the fault of one is not that of the others', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const tooLarge = new OverlayError('invalid', 'too large')
    etcd.fail(({ writes }) => (writes.some((write) => 'path' in write && write.path === 'b') ? tooLarge : undefined))
    const answers = Promise.allSettled(['x', 'a', 'b', 'c'].map((path) => commit(create(path))))
    await etcd.answer()
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect((await answers)[2]).toMatchObject({ reason: tooLarge })
  })

  it('an unknown outcome is that of all who went together, and of nobody else', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    etcd.fail(({ writes }) => (writes.length === 2 ? new OutcomeUnknownError(undefined) : undefined))
    const answers = Promise.allSettled(['x', 'a', 'b'].map((path) => commit(create(path))))
    await etcd.answer()
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(sizes(etcd.sent)).toEqual([1, 2])
    const next = commit(create('c'))
    await etcd.answer()
    expect(await next).toMatchObject({ committed: true })
  })

  it('a store that is away is asked once for all who went together', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const away = new OverlayError('unavailable', 'no etcd answers')
    etcd.fail(() => away)
    const answers = Promise.allSettled(['x', 'a', 'b', 'c'].map((path) => commit(create(path))))
    await etcd.answer()
    for (const answer of await answers) expect(answer).toEqual({ status: 'rejected', reason: away })
    expect(sizes(etcd.sent)).toEqual([1, 3])
  })

  it('a store that is full takes what removes something, whoever it went with', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    etcd.fail(({ writes }) => (writes.some((write) => write.do === 'put') ? new StoreFullError() : undefined))
    const release: Transaction = { compares: [], writes: [remove('b')] }
    const answers = Promise.allSettled([create('x'), create('a'), release].map(commit))
    await etcd.answer()
    expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
    expect(sizes(etcd.sent)).toEqual([1, 2, 1, 1])
  })

  it('waits only so long for an answer that does not come', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const answers = ['x', 'a', 'b'].map((path) => commit(create(path)))
    vi.advanceTimersByTime(19)
    expect(sizes(etcd.sent)).toEqual([1])
    vi.advanceTimersByTime(1)
    expect(sizes(etcd.sent)).toEqual([1, 2])
    await etcd.answer()
    await Promise.all(answers)
  })

  it('never makes a transaction larger than etcd takes', async () => {
    const etcd = memory()
    const commit = groupCommit(etcd.commit)
    const answers = Array.from({ length: 300 }, (_, n) => commit(create(`k${n}`)))
    await etcd.answer()
    await Promise.all(answers)
    for (const { compares, writes, otherwise } of etcd.sent)
      for (const part of [compares, writes, otherwise ?? []]) expect(part.length).toBeLessThanOrEqual(128)
    expect(etcd.sent.length).toBeLessThan(6)
  })

  it('what becomes of each is what would have become of it alone', async () => {
    const path = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
    const compare = fc
      .record({ path, createRevision: fc.constantFrom(0, 0, 0, 2, 3) })
      .map(({ path, createRevision }): Compare => ({ on: 'key', path, createRevision }))
    const writes = fc
      .uniqueArray(path, { minLength: 1, maxLength: 2 })
      .chain((paths) => fc.tuple(...paths.map((each) => fc.constantFrom(put(each), remove(each)))))
    const transaction = fc.record({
      compares: fc.array(compare, { maxLength: 3 }),
      writes,
      otherwise: fc.uniqueArray(path, { maxLength: 3 }).map((paths) => paths.map(read)),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 12 }), async (transactions) => {
        const etcd = memory()
        const commit = groupCommit(etcd.commit)
        const answers = transactions.map(commit)
        await etcd.answer()
        for (const [at, outcome] of (await Promise.all(answers)).entries()) {
          const { compares = [], writes = [], otherwise = [] } = transactions[at] ?? {}
          const now = etcd.states[outcome.revision] ?? new Map<string, Revisions>()
          const before = etcd.states[outcome.revision - 1] ?? new Map<string, Revisions>()
          if (outcome.committed) {
            expect(compares.every((each) => holds(before, each))).toBe(true)
            for (const write of writes)
              if ('path' in write)
                expect(now.get(write.path)?.modRevision).toBe(write.do === 'put' ? outcome.revision : undefined)
          } else {
            expect(compares.every((each) => holds(now, each))).toBe(false)
            expect(outcome.found).toEqual(otherwise.map((key) => entryAt(now, key.path)))
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})
