import { expect, it } from 'vitest'
import { countAttempts } from './attempts.ts'

it('refuses who has failed ten times within a minute, by the address and not the port', () => {
  let time = 0
  const attempts = countAttempts(() => time)
  for (let count = 0; count < 10; count++) {
    attempts.check('[2001:db8::1]:1')
    attempts.failed(`[2001:db8::1]:${count}`)
  }
  expect(() => attempts.check('[2001:db8::1]:99')).toThrow(
    '10 wrong tokens have come from [2001:db8::1] within a minute',
  )
  expect(() => attempts.check('[2001:db8::2]:99')).not.toThrow()
  time = 60_000
  expect(() => attempts.check('[2001:db8::1]:99')).not.toThrow()
})

it('refuses everybody after three hundred from wherever', () => {
  const attempts = countAttempts(() => 0)
  for (let count = 0; count < 300; count++) attempts.failed(`10.0.${count >> 8}.${count & 255}:1`)
  expect(() => attempts.check('192.0.2.1:1')).toThrow('300 wrong tokens have come within a minute')
})
