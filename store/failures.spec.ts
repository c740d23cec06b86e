import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import {
  isCompacted,
  isElection,
  isOldAuth,
  isRefusal,
  isWithoutLeader,
  reasonOf,
  refusal,
  unavailable,
} from './failures.ts'
import { StoreFullError } from './store.ts'

const failed = (code: status, details: string) => Object.assign(new Error(details), { code, details }) as never

describe('isRefusal', () => {
  it.each([
    [status.NOT_FOUND, 'etcdserver: requested lease not found', true],
    [status.INVALID_ARGUMENT, 'etcdserver: request is too large', true],
    [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', true],
    [status.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded', false],
    [status.UNAVAILABLE, 'etcdserver: request timed out', false],
    [status.UNAVAILABLE, 'etcdserver: leader changed', false],
    [status.DEADLINE_EXCEEDED, 'Deadline exceeded', false],
    [status.INTERNAL, 'Received RST_STREAM', false],
    [status.UNKNOWN, 'etcdserver: server stopped', false],
    [status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old', true],
    [status.UNKNOWN, 'auth: revision in header is old', true],
    [status.UNKNOWN, 'auth: user not found', true],
    [status.UNAVAILABLE, 'etcdserver: unhealthy cluster', true],
  ])('%s %s: %s', (code, details, refused) => {
    expect(isRefusal(failed(code, details))).toBe(refused)
  })
})

it.each([
  [status.NOT_FOUND, 'etcdserver: requested lease not found', 'conflict'],
  [status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted', 'conflict'],
  [status.RESOURCE_EXHAUSTED, 'etcdserver: too many requests', 'unavailable'],
  [status.INVALID_ARGUMENT, 'etcdserver: request is too large', 'invalid'],
  [status.RESOURCE_EXHAUSTED, 'grpc: received message larger than max (9 vs. 8)', 'invalid'],
  [status.INVALID_ARGUMENT, 'etcdserver: duplicate key given in txn request', 'internal'],
  [status.PERMISSION_DENIED, 'etcdserver: permission denied', 'permission_denied'],
  [status.UNKNOWN, 'auth: user not found', 'permission_denied'],
  [status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old', 'unavailable'],
  [status.UNAVAILABLE, 'etcdserver: unhealthy cluster', 'unavailable'],
])('%s %s becomes %s', (code, details, expected) => {
  const error = refusal(failed(code, details))
  expect(error.code).toBe(expected)
  expect(error.message).toContain(details)
})

it('says of a full store what to do about it', () => {
  const error = refusal(failed(status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded'))
  expect(error).toBeInstanceOf(StoreFullError)
  expect(error.message).toMatch(/alarm NOSPACE.*etcdctl compact.*etcdctl defrag.*etcdctl alarm disarm/)
})

it.each([
  ['etcdserver: no leader', true, true],
  ['etcdserver: leader changed', false, true],
  ['etcdserver: request timed out, possibly due to previous leader failure', false, true],
  ['etcdserver: request timed out', false, false],
])('%s: not carried out %s, passes with an election %s', (details, withoutLeader, passes) => {
  const error = failed(status.UNAVAILABLE, details)
  expect([isWithoutLeader(error), isElection(error)]).toEqual([withoutLeader, passes])
})

it.each([
  [status.INVALID_ARGUMENT, 'etcdserver: revision of auth store is old', true],
  [status.UNKNOWN, 'auth: revision in header is old', true],
  [status.PERMISSION_DENIED, 'etcdserver: permission denied', false],
])('%s %s is worth another try at once: %s', (code, details, expected) => {
  expect(isOldAuth(failed(code, details))).toBe(expected)
})

it('knows a compacted revision, also translated', () => {
  const error = failed(status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted')
  expect(isCompacted(error)).toBe(true)
  expect(isCompacted(refusal(error))).toBe(true)
  expect(isCompacted(new OverlayError('conflict', 'compacted'))).toBe(false)
})

it('says which URLs were tried, why each failed, and what to do', () => {
  const refused = failed(
    status.UNAVAILABLE,
    'No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:2379. Resolution note: ',
  )
  const { message } = unavailable(['http://10.0.0.1:2379', 'http://10.0.0.2:2379'], [reasonOf(refused)], refused)
  expect(message).toBe(
    'no etcd answers at http://10.0.0.1:2379, http://10.0.0.2:2379: connect ECONNREFUSED 10.0.0.1:2379. ' +
      'Check that etcd runs there and that --etcd names it',
  )
})
