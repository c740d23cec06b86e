/** Transactions: from ours to etcd's and back. */
import { OverlayError } from '../lib/errors.ts'
import type { Comparison, RequestOp, TxnRequest, TxnResponse } from './etcd-api.ts'
import { rangeOf } from './range.ts'
import { decodeEntry } from './records.ts'
import type { Compare, Outcome, Transaction, Write } from './store.ts'

/** What etcd takes in one transaction (its --max-txn-ops). */
export const mostOperations = 128

/** @throws OverlayError `internal` when it has too many operations. */
export function encodeTransaction({ compares, writes, otherwise = [] }: Transaction): TxnRequest {
  for (const part of [compares, writes, otherwise])
    if (part.length > mostOperations)
      throw new OverlayError(
        'internal',
        `a transaction of ${part.length} operations: etcd takes ${mostOperations}, make it in fenced steps`,
      )
  return {
    compare: compares.map(encodeCompare),
    success: writes.map(encodeWrite),
    failure: otherwise.map(({ path }) => ({ request_range: { key: Buffer.from(path) } })),
  }
}

/** @throws OverlayError `internal` when what was read otherwise is malformed. */
export function decodeOutcome({ otherwise = [] }: Transaction, answer: TxnResponse): Outcome {
  const revision = Number(answer.header.revision)
  if (answer.succeeded) return { committed: true, revision }
  const found = otherwise.map(({ type }, index) => {
    const kv = answer.responses[index]?.response_range?.kvs[0]
    return kv && decodeEntry(type, kv)
  })
  return { committed: false, revision, found }
}

function encodeCompare(compare: Compare): Comparison {
  if (compare.on === 'range') {
    const keys = rangeOf(compare.prefix)
    // A range compare holds when it holds for every key; of none, all numbers are 0.
    return compare.emptyOrUnchangedSince === 'empty'
      ? { ...keys, result: 'Equal', target: 'Create', create_revision: 0 }
      : { ...keys, result: 'Less', target: 'Mod', mod_revision: compare.emptyOrUnchangedSince + 1 }
  }
  const key = Buffer.from(compare.path)
  return 'createRevision' in compare
    ? { key, result: 'Equal', target: 'Create', create_revision: compare.createRevision }
    : { key, result: 'Equal', target: 'Mod', mod_revision: compare.modRevision }
}

function encodeWrite(write: Write): RequestOp {
  switch (write.do) {
    case 'put': {
      const put = { key: Buffer.from(write.path), value: Buffer.from(write.value) }
      return { request_put: write.lease ? { ...put, lease: write.lease.id } : put }
    }
    case 'delete':
      return { request_delete_range: { key: Buffer.from(write.path) } }
    case 'delete-range':
      return { request_delete_range: rangeOf(write.prefix) }
  }
}
