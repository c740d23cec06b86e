/** Many short reads of the store for one answer. */
import { mapParallel } from '../lib/parallel.ts'

/** So many keep etcd busy; of thousands at once the last would wait until their time is up. */
const atOnce = 64

/** The results are in the items' order. @throws what the first read to fail threw. */
export function readEach<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  return mapParallel(items, atOnce, read)
}
