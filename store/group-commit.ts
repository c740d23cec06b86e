/**
 * Group commit: transactions that wait for etcd's answer to another go together
 * in the next one. One alone is sent at once, so that it costs nothing where
 * there is no crowd; where there is, etcd and this process do far less for each.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { hasCode } from '../lib/errors.ts'
import {
  type Compare,
  type Entry,
  type Key,
  type Outcome,
  type Store,
  StoreFullError,
  type Transaction,
  type Write,
} from './store.ts'
import { mostOperations } from './transaction.ts'

/** A transaction waits no longer for another's answer, in milliseconds: should that hang, the rest does not. */
const patience = 20

interface Member {
  readonly transaction: Transaction
  /** It goes by itself: it is about ranges, or it failed in company and its own compares do not tell why. */
  readonly alone: boolean
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * As `commit`, for each transaction by itself: what becomes of one is what would
 * have become of it alone at that moment. Only such as touch nothing that
 * another one compares or writes go together.
 */
export function groupCommit(commit: Store['commit']): Store['commit'] {
  let waiting: Member[] = []
  let underWay = 0
  let timer: NodeJS.Timeout | undefined

  const send = () => {
    clearTimeout(timer)
    timer = undefined
    const [first, ...others] = waiting
    if (!first) return
    const group = new Group(first)
    waiting = others.filter((member) => !group.take(member))
    if (waiting.length > 0) wait()
    underWay++
    void commitGroup(commit, group).then(async (again) => {
      // Those who were answered come again at once: with what they bring the crowd stays together.
      await nextTurn()
      underWay--
      waiting = [...again, ...waiting]
      send()
    })
  }
  const wait = () => {
    timer ??= setTimeout(send, patience)
  }
  return (transaction) =>
    new Promise((resolve, reject) => {
      waiting.push({ transaction, alone: isAboutRanges(transaction), resolve, reject })
      if (underWay === 0) send()
      else wait()
    })
}

function isAboutRanges({ compares, writes }: Transaction): boolean {
  return compares.some(({ on }) => on === 'range') || writes.some((write) => write.do === 'delete-range')
}

/** @returns those that are to be sent again. Never rejects. */
async function commitGroup(commit: Store['commit'], group: Group): Promise<readonly Member[]> {
  const { members } = group
  try {
    const transaction = group.merged()
    const outcome = await commit(transaction)
    if (!outcome.committed && members.length > 1) return refuse(members, transaction.otherwise ?? [], outcome)
    for (const { resolve } of members) resolve(outcome)
    return []
  } catch (error) {
    // Nothing was written: one of them may be at fault, or they are too much together.
    if (members.length > 1 && !isOfAll(error)) return members.map(byItself)
    for (const { reject } of members) reject(error)
    return []
  }
}

/**
 * Whether each of them by itself would have been told the same: the store is
 * away, or it is not known what became of them. One that is full still takes
 * what removes something.
 */
function isOfAll(error: unknown): boolean {
  return hasCode(error, 'unavailable') && !(error instanceof StoreFullError)
}

type Found = ReadonlyMap<string, Entry<unknown> | undefined>

/** Answers those of which it is seen that their own compares failed. @returns the others. */
function refuse(
  members: readonly Member[],
  read: readonly Key<unknown>[],
  outcome: Extract<Outcome, { committed: false }>,
): readonly Member[] {
  const found: Found = new Map(read.map(({ path }, index) => [path, outcome.found[index]]))
  const others = members.filter(({ transaction: { compares, otherwise = [] }, resolve }) => {
    if (compares.every((compare) => mayHold(compare, found))) return true
    resolve({ ...outcome, found: otherwise.map(({ path }) => found.get(path)) })
    return false
  })
  return others.length < members.length ? others : others.map(byItself)
}

function mayHold(compare: Compare, found: Found): boolean {
  if (compare.on === 'range' || !found.has(compare.path)) return true
  const entry = found.get(compare.path)
  return 'createRevision' in compare
    ? (entry?.createRevision ?? 0) === compare.createRevision
    : (entry?.modRevision ?? 0) === compare.modRevision
}

const byItself = (member: Member): Member => ({ ...member, alone: true })

/** Members that can go together. */
class Group {
  readonly members: Member[]
  readonly #compares = new Map<string, Compare>()
  readonly #compared = new Set<string>()
  readonly #writes: Write[] = []
  readonly #written = new Set<string>()
  readonly #reads = new Map<string, Key<unknown>>()

  constructor(first: Member) {
    this.members = [first]
    if (!first.alone) this.#count(first.transaction)
  }

  /** Takes the member in, if it fits. */
  take(member: Member): boolean {
    if (member.alone || this.members[0]?.alone || !this.#fits(member.transaction)) return false
    this.members.push(member)
    this.#count(member.transaction)
    return true
  }

  merged(): Transaction {
    const [only, ...others] = this.members
    if (only && others.length === 0) return only.transaction
    return { compares: [...this.#compares.values()], writes: this.#writes, otherwise: [...this.#reads.values()] }
  }

  #fits({ compares, writes, otherwise = [] }: Transaction): boolean {
    return (
      this.#compares.size + compares.length <= mostOperations &&
      this.#writes.length + writes.length <= mostOperations &&
      this.#reads.size + otherwise.length <= mostOperations &&
      compares.every((compare) => !this.#written.has(target(compare))) &&
      writes.every((write) => !this.#written.has(target(write)) && !this.#compared.has(target(write))) &&
      otherwise.every(({ path, type }) => (this.#reads.get(path) ?? { type }).type === type)
    )
  }

  #count({ compares, writes, otherwise = [] }: Transaction): void {
    for (const compare of compares) {
      this.#compares.set(JSON.stringify(compare), compare)
      this.#compared.add(target(compare))
    }
    for (const write of writes) {
      this.#writes.push(write)
      this.#written.add(target(write))
    }
    for (const key of otherwise) if (!this.#reads.has(key.path)) this.#reads.set(key.path, key)
  }
}

function target(part: Compare | Write): string {
  return 'path' in part ? part.path : part.prefix
}

/** The same store, whose commits go together. */
export function grouping(store: Store): Store {
  return {
    ...store,
    // As they are when asked for: a copy would not see members that are found later.
    get urls() {
      return store.urls
    },
    commit: groupCommit((transaction) => store.commit(transaction)),
  }
}
