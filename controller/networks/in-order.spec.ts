import { expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { inOrder } from './in-order.ts'

const { signal } = new AbortController()
const away = () => new OverlayError('unavailable', 'no etcd answers')

it('takes one after the other, and again after a conflict', async () => {
  const inTurn = inOrder()
  const steps: string[] = []
  const turn = (name: string, conflicts = 0) =>
    inTurn(async () => {
      steps.push(name)
      if (conflicts-- > 0) throw new OverlayError('conflict', 'lost the race')
      return name
    }, signal)
  expect(await Promise.all([turn('a', 2), turn('b'), turn('c')])).toEqual(['a', 'b', 'c'])
  expect(steps).toEqual(['a', 'a', 'a', 'b', 'c'])
})

it('refuses those that wait when the store fails the one before them, and takes those that come later', async () => {
  const inTurn = inOrder()
  const begun: string[] = []
  const turn = (name: string, error?: OverlayError) =>
    inTurn(async () => {
      begun.push(name)
      if (error) throw error
      return name
    }, signal)
  const outcomes = await Promise.allSettled([turn('a'), turn('b', away()), turn('c'), turn('d', away())])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected'])
  expect(outcomes[2]).toMatchObject({
    reason: { code: 'unavailable', message: 'not begun, because the change before it failed: no etcd answers' },
  })
  expect(begun).toEqual(['a', 'b'])
  expect(await turn('e')).toBe('e')
})

it('goes on after any other failure', async () => {
  const inTurn = inOrder()
  const failing = inTurn(async () => {
    throw new OverlayError('invalid', 'no')
  }, signal)
  const next = inTurn(async () => 'next', signal)
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('next')
})
