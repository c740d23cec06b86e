/** How the requests to one RPC are divided: each part is of one kind, and looked at when it is done. */

export interface Slice {
  /** How many requests are before it. */
  readonly begun: number
  readonly count: number
  /** Its kind, by number. */
  readonly kind: number
}

/** Requests between two looks at what they have changed. */
const most = 50

/** In parts of nearly one size, the kinds in turn: of each kind there is one, if there are as many requests. */
export function slicesOf(requests: number, kinds: number): readonly Slice[] {
  const parts = Math.max(Math.ceil(requests / most), Math.min(kinds, requests))
  const begin = (part: number) => Math.floor((part * requests) / parts)
  return Array.from({ length: parts }, (_, part) => ({
    begun: begin(part),
    count: begin(part + 1) - begin(part),
    kind: part % kinds,
  }))
}
