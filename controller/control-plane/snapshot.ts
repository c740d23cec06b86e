/** Etcd's data in pieces, for a backup. */
import { OverlayError } from '../../lib/errors.ts'
import { type Init, SnapshotPiece } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'

/** Bytes; a message of ours may have 4 MiB. */
const mostInPiece = 1024 * 1024

/**
 * The last piece has the authorities, and no data.
 * @throws OverlayError `unavailable`, also in the middle: what came is of no use then.
 */
export async function* snapshotPieces(store: Store, signal: AbortSignal): AsyncGenerator<SnapshotPiece> {
  for await (const part of store.admin.snapshot(signal))
    for (let at = 0; at < part.length; at += mostInPiece) yield piece({ data: part.subarray(at, at + mostInPiece) })
  if (signal.aborted) throw new OverlayError('unavailable', 'the snapshot was broken off')
  // Read afterwards: what a rotation has put there meanwhile opens what the snapshot holds as well.
  const authorities = (await store.get(store.keys.authorities))?.value
  yield piece({ authorities: authorities ?? null })
}

const piece = (fields: Init<SnapshotPiece>) => SnapshotPiece.create(fields)
