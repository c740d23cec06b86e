/** One watch on a range, over a gRPC stream of its own, until it breaks. */
import { OverlayError } from '../lib/errors.ts'
import { within } from '../lib/within.ts'
import { type Header, type WatchResponse, watch } from './etcd-api.ts'
import { reasonOf, unavailable } from './failures.ts'
import type { Members } from './members.ts'
import { rangeOf } from './range.ts'
import type { Revision } from './store.ts'

/** The watch would have to start at a revision that is compacted away. */
export class CompactedError extends Error {}

export interface WatchStream {
  /** Of the answer to its creation. */
  readonly header: Header
  /**
   * Answers with events, or without any: then all up to the header's revision
   * has been told. With events the header may be ahead of them. Ends when the
   * signal aborts.
   * @throws CompactedError; OverlayError `unavailable` when the stream breaks,
   * `permission_denied`.
   */
  readonly responses: AsyncIterable<WatchResponse>
}

export interface WatchOptions {
  readonly prefix: string
  readonly startRevision: Revision
  /** Goes round the members. */
  readonly attempt: number
  readonly signal: AbortSignal
}

export type OpenWatch = (options: WatchOptions) => Promise<WatchStream>

/** Opens watches; they reject with OverlayError `unavailable`. */
export function watchOpener(members: Members): OpenWatch {
  const broken = (error: unknown) =>
    error instanceof CompactedError || error instanceof OverlayError
      ? error
      : unavailable(members.urls, [reasonOf(error)], error)

  return async ({ prefix, startRevision, attempt, signal }) => {
    const channel = await members.openWatch(watch, attempt)
    const { stream } = channel
    const cancel = () => stream.cancel()
    if (signal.aborted) cancel()
    signal.addEventListener('abort', cancel, { once: true })
    const end = () => {
      signal.removeEventListener('abort', cancel)
      cancel()
    }
    const late = new Error('it accepts connections but answers no watch in time')
    const incoming = stream[Symbol.asyncIterator]() as AsyncIterator<WatchResponse>
    stream.write({
      create_request: { ...rangeOf(prefix), start_revision: startRevision, progress_notify: true },
    })
    try {
      const created = await within(next(incoming), channel.patience, late)
      checkCanceled(created)
      return { header: created.header, responses: received(incoming, signal, broken, end) }
    } catch (error) {
      if (error === late) channel.suspect()
      end()
      throw broken(error)
    }
  }
}

async function* received(
  incoming: AsyncIterator<WatchResponse>,
  signal: AbortSignal,
  broken: (error: unknown) => Error,
  end: () => void,
): AsyncGenerator<WatchResponse> {
  try {
    for (;;) {
      const response = await next(incoming)
      checkCanceled(response)
      yield response
    }
  } catch (error) {
    if (!signal.aborted) throw broken(error)
  } finally {
    end()
  }
}

async function next(incoming: AsyncIterator<WatchResponse>): Promise<WatchResponse> {
  const { done, value } = await incoming.next()
  if (done) throw new Error('etcd ended the watch')
  return value
}

function checkCanceled({ canceled, compact_revision, cancel_reason }: WatchResponse): void {
  if (compact_revision !== '0') throw new CompactedError(`compacted up to revision ${compact_revision}`)
  // Etcd 3.4 gives its error as Go prints it.
  if (canceled && cancel_reason.includes('permission denied'))
    throw new OverlayError('permission_denied', `the store denies it: ${cancel_reason}`)
  if (canceled) throw new Error(`etcd ended the watch: ${cancel_reason || 'it gives no reason'}`)
}
