import { expect, it } from 'vitest'
import { checkSealingKey, createSealingKey, seal, unseal } from './sealing.ts'

const key = createSealingKey()

it('opens what it has sealed, which is never the same twice', () => {
  const [one, other] = [seal(key, 'secret'), seal(key, 'secret')]
  expect(one.equals(other)).toBe(false)
  expect(one).toHaveLength(12 + 'secret'.length + 16)
  expect(unseal(key, one)).toBe('secret')
})

it('opens nothing with another key, and nothing that was changed or cut', () => {
  const sealed = seal(key, 'secret')
  const refused = { code: 'failed_precondition', message: 'this was not sealed with this sealing key' }
  expect(() => unseal(createSealingKey(), sealed)).toThrow(expect.objectContaining(refused) as Error)
  for (const index of sealed.keys()) {
    const changed = Buffer.from(sealed)
    changed[index] = (changed[index] ?? 0) ^ 1
    expect(() => unseal(key, changed)).toThrow(refused.message)
    expect(() => unseal(key, sealed.subarray(0, index))).toThrow(refused.message)
  }
})

it('a key has 32 bytes', () => {
  expect(checkSealingKey(key)).toBe(key)
  expect(() => checkSealingKey(Buffer.alloc(31))).toThrow('a sealing key has 32 bytes, and this has 31')
})
