import { expect, it } from 'vitest'
import { ControlPlaneService, EnrolmentService } from '../../proto/index.ts'
import { refusals } from './without.ts'

const context = {
  caller: undefined,
  signal: new AbortController().signal,
  peer: '',
  deadline: Number.POSITIVE_INFINITY,
}
const refusal = {
  code: 'failed_precondition',
  message: expect.stringMatching(/^this cluster has no authority of its own/),
}

it('refuses each call of a service, streams too', async () => {
  const enrolment = refusals(EnrolmentService)
  expect(Object.keys(enrolment)).toEqual(['join', 'renew', 'confirm'])
  await expect(enrolment.confirm({ authorities: [] }, context)).rejects.toMatchObject(refusal)
  const pieces = refusals(ControlPlaneService).snapshot({}, context)[Symbol.asyncIterator]()
  await expect(pieces.next()).rejects.toMatchObject(refusal)
})
