import { expect, it } from 'vitest'
import { pause } from '../lib/retry.ts'
import { Stranded } from './stranded.ts'

const never = new AbortController().signal

/** Short, but in the same proportions. Timers that are late all the same end in the order in which they are due. */
const alone = { first: 1, most: 20 }
const wait = (stranded: Stranded) => stranded.wait(30, never)
const hundred = (stranded: Stranded) => Array.from({ length: 100 }, () => wait(stranded))

it('one alone waits as long as its backoff says, of many each longer', async () => {
  const many = hundred(new Stranded(alone)).map((each) => each.then(() => 'one of many'))
  expect(await Promise.race([...many, wait(new Stranded(alone)).then(() => 'one alone')])).toBe('one alone')
  await Promise.all(many)
})

it('when the store is found, nobody waits longer than one alone', async () => {
  const stranded = new Stranded(alone)
  const many = hundred(stranded)
  const late = pause(3 * alone.most).then(() => 'late')
  stranded.found()
  expect(await Promise.race([late, Promise.all(many).then(() => 'found')])).toBe('found')
})

it('ends early when the signal aborts', async () => {
  const stop = new AbortController()
  const stranded = new Stranded()
  const both = [stranded.wait(30, stop.signal), stranded.wait(30, stop.signal)]
  stop.abort()
  await Promise.all(both)
})
