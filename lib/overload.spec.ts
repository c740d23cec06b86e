import { describe, expect, it } from 'vitest'
import { OverlayError } from './errors.ts'
import { createGate, overloaded } from './overload.ts'

function refusal(action: () => unknown): OverlayError | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return OverlayError.from(error)
  }
}

describe('overloaded', () => {
  it('says when to come back, to people and to programs alike, and not to all the same', () => {
    const times = new Set<number>()
    for (let n = 0; n < 50; n++) {
      const { code, message, retryAfter = 0 } = overloaded('it is full')
      expect(code).toBe('unavailable')
      expect(message).toBe(`it is full: try again in ${(retryAfter / 1000).toFixed(1)} s`)
      expect(retryAfter).toBeGreaterThanOrEqual(1_500)
      expect(retryAfter).toBeLessThanOrEqual(3_000)
      times.add(retryAfter)
    }
    expect(times.size).toBeGreaterThan(5)
  })
})

describe('createGate', () => {
  it('lets in no more than there is room for, and again whoever comes when another has left', () => {
    const gate = createGate('the agent', 'calls', 2)
    const leave = gate.enter()
    gate.enter()
    expect(refusal(() => gate.enter())).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(
        /^the agent has 2 calls in progress and takes no more for now: try again in \d\.\d s$/,
      ),
      retryAfter: expect.any(Number),
    })
    leave()
    leave()
    gate.enter()
    expect(refusal(() => gate.enter())).toBeDefined()
  })
})
