/** Filters of networks, before they are sent. */
import { hasCode, UsageError } from '../../lib/errors.ts'
import { parseFilters } from '../../lib/requests/filters.ts'

/** @throws UsageError with all that is wrong with them. */
export function refuseWrongFilters(filters: readonly string[], now: Date): void {
  try {
    parseFilters(filters, now)
  } catch (error) {
    if (!hasCode(error, 'invalid')) throw error
    throw new UsageError(error.message)
  }
}
