/** What a look at a suspicion comes to. */
import type { Finding } from '../../proto/index.ts'
import type { Write } from '../../store/store.ts'
import type { Change } from './change.ts'
import type { Evidence } from './evidence.ts'

/** A finding without its words: what it is about. */
export type Suspicion = Omit<Finding, 'problem' | 'repair'>

export interface Verdict {
  /** For people: what is wrong. */
  readonly problem: string
  readonly remedy: Remedy
}

/** `says`: for people, what is done by it, or, by a person, what is to be done; empty: the problem says it. */
export type Remedy =
  /** One transaction, together with what the verdict was told from, and what is read to prepare it. */
  | { readonly by: 'transaction'; readonly says: string; readonly prepare: () => Promise<Change> }
  /** The endpoints of a node that is no more are removed, in fenced steps. */
  | { readonly by: 'eviction'; readonly says: string; readonly node: string }
  | { readonly by: 'person'; readonly says: string }

/** A suspicion that was true when it was looked at. */
export interface Diagnosis {
  readonly finding: Finding
  readonly remedy: Remedy
  /** While it holds, so does this. */
  readonly evidence: Evidence
}

export function byTransaction(problem: string, says: string, ...writes: readonly Write[]): Verdict {
  return { problem, remedy: { by: 'transaction', says, prepare: async () => ({ writes, resting: [] }) } }
}

export function byPerson(problem: string, says: string): Verdict {
  return { problem, remedy: { by: 'person', says } }
}
