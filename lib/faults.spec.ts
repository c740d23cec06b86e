import { expect, it } from 'vitest'
import { OverlayError } from './errors.ts'
import { Faults } from './faults.ts'
import { parseName } from './names.ts'

it('says nothing when there is no fault', () => {
  const faults = new Faults()
  expect(faults.try('name', () => parseName('web'))).toBe('web')
  expect(() => faults.throwIfAny()).not.toThrow()
})

it('names all faults at once, each after its field', () => {
  const faults = new Faults()
  expect(faults.try('name', () => parseName('Web'))).toBeUndefined()
  faults.add('mtu: too small')
  expect(() => faults.throwIfAny()).toThrow(/^name: "Web" is not a name: .*; mtu: too small$/)
})

it('lets other errors through', () => {
  const faults = new Faults()
  const away = new OverlayError('unavailable', 'no store')
  expect(() =>
    faults.try('name', () => {
      throw away
    }),
  ).toThrow(away)
  expect(() => faults.throwIfAny()).not.toThrow()
})

it('names the first of very many', () => {
  const faults = new Faults()
  for (let n = 0; n < 100_000; n++) faults.add(`fault ${n}`)
  expect(faults.all.length).toBe(201)
  expect(() => faults.throwIfAny()).toThrow(/^fault 0; .*fault 199; and 99800 more$/)
})
