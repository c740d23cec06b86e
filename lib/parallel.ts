/** Many things at once, but not all. */

/**
 * Runs `action` for each item, at most `limit` at a time, and gives the results
 * in the items' order.
 * @throws what the first `action` to fail threw; no other is begun after that.
 */
export async function mapParallel<T, R>(
  items: readonly T[],
  limit: number,
  action: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const rest = items.entries()
  let failed = false
  const work = async () => {
    for (const [at, item] of rest) {
      if (failed) return
      results[at] = await action(item).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work))
  return results
}
