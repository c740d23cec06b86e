/** How lines of the contract are timed. */
import { expect, test } from 'vitest'
import { timed, within } from './within.ts'

const longAgo = () => performance.now() - 21_000

test('what is waited for is counted from the same moment as what is told', async () => {
  const late = within({ what: 'P0 it is back', seconds: 5, since: longAgo() }, () => {
    throw new Error('it is away')
  })
  await expect(late).rejects.toThrow('P0 it is back: not within 20 s, 4 times of what is promised\nit is away')
})

test('what holds at the first look holds, however late that is, and whatever it is', async () => {
  expect(await within({ what: 'P0 it is back', seconds: 5, since: longAgo() }, () => 0)).toBe(0)
})

test('what is over too late names the same limit', async () => {
  await expect(timed({ what: 'P0 a start', seconds: 0 }, () => Promise.resolve())).rejects.toThrow(
    'P0 a start: not within 0 s, 4 times of what is promised',
  )
})
