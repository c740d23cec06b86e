import { expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import type { Action, Slot } from './operations.ts'
import { failedOutcome, isInternal } from './outcomes.ts'

const slot: Slot = { name: 's1', path: '/run/netns/s1', host: 'h1' }
const attach = (via: string): Action => ({ do: 'attach', via, network: 'web', slot, name: '', addresses: [] })
const detach: Action = { do: 'detach', via: 'agent', network: 'web', slot, endpointId: undefined }
const create: Action = { do: 'create', via: 'controller-1', network: 'web', cidr: '10.0.0.0/24' }

it.each([
  ['refused', attach('agent'), 'exhausted', 'network web has no address left'],
  ['refused', detach, 'not_found', 'there is no endpoint x'],
  ['refused', create, 'unavailable', 'No connection established. Last error: Error: connect ECONNREFUSED'],
  // The agent undoes what comes through all the same.
  ['refused', attach('agent'), 'unavailable', 'the store did not answer in time: nothing was attached'],
  ['refused', attach('controller-1'), 'unavailable', 'node h1: the store cannot be reached'],
  ['refused', attach('controller-1'), 'unavailable', 'the agent of node h1 cannot be asked: it is not alive'],
  ['unknown', attach('agent'), 'unavailable', 'Connection dropped'],
  ['unknown', attach('agent'), 'unavailable', 'read ECONNRESET'],
  ['unknown', attach('agent'), 'deadline', 'Deadline exceeded after 10.001s'],
  ['unknown', attach('controller-1'), 'unavailable', 'the connection to the agent of node h1 was lost'],
  ['unknown', detach, 'unavailable', 'the store did not answer in time'],
  ['unknown', create, 'unavailable', 'the store did not answer in time; whether the change was made is not known yet'],
  ['unknown', create, 'internal', 'something else'],
] as const)('%s: %o answered with %s, "%s"', (is, action, code, message) => {
  expect(failedOutcome(action, new OverlayError(code, message)).is).toBe(is)
})

it('says whether it can have been begun', () => {
  const outcome = (message: string) => failedOutcome(create, new OverlayError('unavailable', message))
  expect(outcome('No connection established')).toMatchObject({ is: 'refused', isSent: false })
  expect(failedOutcome(create, new OverlayError('conflict', 'overlaps'))).toMatchObject({ is: 'refused', isSent: true })
})

it.each([
  [true, 'internal', 'cannot read the address'],
  [false, 'internal', 'Received RST_STREAM with code 2 triggered by internal client error: Session closed'],
  [false, 'unavailable', 'Connection dropped'],
] as const)('a fault of the peer: %s, where it answers %s, "%s"', (is, code, message) => {
  expect(isInternal(failedOutcome(create, new OverlayError(code, message)))).toBe(is)
})

it('takes an answer without what it should have for a fault', () => {
  expect(isInternal(failedOutcome(attach('agent'), new Error('an answer without an endpoint')))).toBe(true)
})
