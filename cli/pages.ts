/** Lists that come in pages. */

/** All items: asks again with each page's token until there is none. */
export async function allPages<P extends { nextPageToken: string }, T>(
  ask: (pageToken: string) => Promise<P>,
  items: (page: P) => readonly T[],
): Promise<T[]> {
  const all: T[] = []
  let pageToken = ''
  do {
    const page = await ask(pageToken)
    all.push(...items(page))
    pageToken = page.nextPageToken
  } while (pageToken)
  return all
}
