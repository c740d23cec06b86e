/** Cells that several views have. */

/** `a=1,b=2` by key. */
export function pairsText(pairs: { readonly [key: string]: string }): string {
  return Object.entries(pairs)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}

export function listText(items: readonly string[]): string {
  return items.join(',')
}

/** Enough of an id for people: commands take any unique prefix. */
export function shortId(id: string): string {
  return id.slice(0, 12)
}

/** `3 endpoints`, `1 endpoint`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
