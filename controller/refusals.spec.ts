import { expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { Refusals } from './refusals.ts'

const late = async (error: OverlayError) => {
  await new Promise(setImmediate)
  throw error
}
const early = async (error: OverlayError) => {
  throw error
}

it('tells of two in their order, whichever is refused first, with the code of the first', async () => {
  const refusals = new Refusals()
  const [a, b] = await refusals.both(
    late(new OverlayError('not_found', 'no network')),
    early(new OverlayError('invalid', 'no node')),
  )
  expect([a, b]).toEqual([undefined, undefined])
  expect(refusals.error()).toMatchObject({ code: 'not_found', message: 'no network; no node' })
})

it('lets through what says nothing of the request', async () => {
  const away = new OverlayError('unavailable', 'no store')
  const refused = early(new OverlayError('not_found', 'no network'))
  await expect(new Refusals().both(refused, late(away))).rejects.toBe(away)
  await expect(new Refusals().wait(early(away))).rejects.toBe(away)
})
