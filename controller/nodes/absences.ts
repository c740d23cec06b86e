/**
 * For how long nodes have shown no sign of life, as far as one observer can
 * vouch for it. Time is passed in: milliseconds of a monotonic clock.
 */

/** Seconds that an agent's session outlives it where its record does not tell. */
const usualSessionTtl = 30

export interface AbsencesOptions {
  /** A node is overdue after so many milliseconds without a sign of life. */
  readonly grace: number
  /** Milliseconds, beyond its session's time to live, that an agent has to come back to a store that was away. */
  readonly margin: number
  /** Between two looks that lie further apart than this, anything may have happened. */
  readonly longestGap: number
}

export interface NodeSeen {
  readonly name: string
  /** A record that was written anew is a sign of life. */
  readonly modRevision: number
  /** Seconds. */
  readonly sessionTtl: number
}

/** What was seen at one moment between `began` and `ended`. */
export interface Look {
  readonly began: number
  readonly ended: number
  readonly nodes: readonly NodeSeen[]
  /** Nodes with a session, or another sign of life. */
  readonly alive: ReadonlySet<string>
  /** Signs of life are being told. While they are not, those between this look and the next may be missed. */
  readonly watched: boolean
}

export interface Absences {
  /** @returns the nodes that are overdue, and for how many milliseconds they have been seen absent. */
  look(look: Look): readonly { readonly name: string; readonly absent: number }[]
  /** A sign of life between two looks. */
  showedUp(node: string): void
  /** Whether it was absent at the latest look and has shown no sign of life since. */
  isAbsent(node: string): boolean
  /** The store was away, or full: until the next look no time counts, and from then on all have time to come back. */
  interrupted(): void
  /** The store is not the one that was looked at before: what was seen is void. */
  reset(): void
}

export function createAbsences({ grace, margin, longestGap }: AbsencesOptions): Absences {
  const absent = new Map<string, { readonly modRevision: number; milliseconds: number }>()
  /** The end of the look before; undefined: there was none that this one goes on from. */
  let before: number | undefined
  /** The beginning of the looks that follow each other without a break. */
  let steadySince = 0

  const interrupted = () => {
    before = undefined
  }
  return {
    look({ began, ended, nodes, alive, watched }) {
      // That all of them died is less likely than that their sessions were lost with a store.
      const plausible = nodes.some(({ name }) => alive.has(name))
      const gap = plausible && before !== undefined ? began - before : Number.POSITIVE_INFINITY
      const goesOn = gap <= longestGap
      if (!goesOn) steadySince = ended
      before = plausible && watched ? ended : undefined
      const missing = nodes.filter(({ name }) => !alive.has(name))
      const names = new Set(missing.map(({ name }) => name))
      for (const name of absent.keys()) if (!names.has(name)) absent.delete(name)
      return missing.flatMap(({ name, modRevision, sessionTtl }) => {
        const known = absent.get(name)
        if (known?.modRevision !== modRevision) {
          absent.set(name, { modRevision, milliseconds: 0 })
          return []
        }
        if (!goesOn) return []
        known.milliseconds += Math.max(0, gap)
        const timeToReturn = (sessionTtl || usualSessionTtl) * 1000 + margin
        const overdue = known.milliseconds >= grace && began - steadySince >= timeToReturn
        return overdue ? [{ name, absent: known.milliseconds }] : []
      })
    },
    showedUp: (node) => void absent.delete(node),
    isAbsent: (node) => absent.has(node),
    interrupted,
    reset() {
      absent.clear()
      interrupted()
    },
  }
}
