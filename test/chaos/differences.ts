/** What one list has and another has not. */

/** Those of the first for which the second has no counterpart: what is there twice needs two. */
export function without(some: readonly string[], others: readonly string[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const other of others) counts.set(other, (counts.get(other) ?? 0) + 1)
  return some.filter((one) => {
    const left = counts.get(one) ?? 0
    counts.set(one, left - 1)
    return left <= 0
  })
}

/** A line for each that only one of the two texts has. */
export function differingLines(name: string, before: string, after: string): readonly string[] {
  const [was, is] = [before.split('\n'), after.split('\n')]
  return [
    ...without(was, is).map((line) => `${name} lacks ${line}`),
    ...without(is, was).map((line) => `${name} has ${line}`),
  ]
}

/** The keys that only one of the two has, or that they have with different values. */
export function differingKeys(
  some: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string>,
): readonly string[] {
  return [...new Set([...some.keys(), ...others.keys()])].filter((key) => some.get(key) !== others.get(key))
}
