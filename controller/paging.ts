/** Pages of a list, as the API's requests ask for them. */
import { OverlayError } from '../lib/errors.ts'
import type { Range } from '../store/store.ts'

const usual = 500
const most = 2_000

/**
 * What to ask of the store.
 * @throws OverlayError `invalid` when the token is not one of ours.
 */
export function pageOptions(range: Range<unknown>, request: { pageSize: number; pageToken: string }) {
  const limit = Math.min(request.pageSize || usual, most)
  if (request.pageToken === '') return { limit }
  const below = Buffer.from(request.pageToken, 'base64url').toString()
  if (Buffer.from(below).toString('base64url') !== request.pageToken || !/^[a-z0-9/-]{1,256}$/.test(below))
    throw new OverlayError('invalid', 'pageToken: not from an earlier answer to this request')
  return { limit, after: range.prefix + below }
}

/** For the answer: empty on the last page. The store's prefix is nobody else's concern. */
export function pageToken(range: Range<unknown>, next: string | undefined): string {
  return next === undefined ? '' : Buffer.from(next.slice(range.prefix.length)).toString('base64url')
}
