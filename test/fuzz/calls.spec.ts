import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { isHang, isUnknown } from './calls.ts'
import { allRpcs } from './surface.ts'

const hanging = { code: status.DEADLINE_EXCEEDED, details: 'Deadline exceeded after 20.001s' }

describe('a call that is not answered', () => {
  it.each([
    ['Networks/List', true],
    ['Agent/Attach', true],
    ['Networks/WaitApplied', false],
    ['Events/Watch', false],
    ['AgentLink/Connect', false],
  ])('%s: is it a hang? %s', (name, expected) => {
    const rpc = allRpcs().find((one) => one.name === name)
    if (!rpc) throw new Error(`there is no ${name}`)
    expect(isHang(rpc, hanging)).toBe(expected)
    expect(isHang(rpc, { code: status.CANCELLED, details: '' })).toBe(false)
  })

  it('may have done something', () => expect(isUnknown(hanging)).toBe(true))
})
