/** Keeps so many routes, the widest of all that come. Pure. */
import type { Family } from '../../lib/ip.ts'
import type { HostRoute, HostRoutesFound } from './kernel.ts'

export const bitsOf: Readonly<Record<Family, number>> = { 4: 32, 6: 128 }

export interface WidestRoutes {
  /** Whether one of that width is of use: otherwise that there are more is noted, and `add` can be saved. */
  hasRoomFor(family: Family, prefix: number): boolean
  /** One that is there already changes nothing. */
  add(route: HostRoute): void
  all(): HostRoutesFound
}

/** An IPv4 /16 counts as wide as an IPv6 /64. Of equal width those that came first stay. */
export function keepWidest(most: number): WidestRoutes {
  const names = new Set<string>()
  /** By narrowness, from 0 to 128. */
  const classes: HostRoute[][] = Array.from({ length: bitsOf[6] + 1 }, () => [])
  let narrowest = 0
  let truncated = false

  const hasRoomFor = (family: Family, prefix: number) => {
    if (names.size < most || narrownessOf(family, prefix) < narrowest) return true
    truncated = true
    return false
  }
  const dropOne = () => {
    const dropped = classes[narrowest]?.pop()
    if (dropped) names.delete(nameOf(dropped))
    while (narrowest > 0 && classes[narrowest]?.length === 0) narrowest--
    truncated = true
  }
  return {
    hasRoomFor,
    add(route) {
      const { family, prefix } = route.cidr
      const name = nameOf(route)
      if (names.has(name) || !hasRoomFor(family, prefix)) return
      const narrowness = narrownessOf(family, prefix)
      names.add(name)
      classes[narrowness]?.push(route)
      narrowest = Math.max(narrowest, narrowness)
      if (names.size > most) dropOne()
    },
    all: () => ({ routes: classes.flat(), truncated }),
  }
}

function narrownessOf(family: Family, prefix: number): number {
  return (prefix * bitsOf[6]) / bitsOf[family]
}

function nameOf({ kind, cidr, via }: HostRoute): string {
  return `${kind} ${cidr.text} ${via}`
}
