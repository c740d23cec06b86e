import { describe, expect, it } from 'vitest'
import { type Ip, parseCidr, parseIp } from '../../lib/ip.ts'
import { exhausted } from './exhausted.ts'

describe('exhausted', () => {
  const subnet = {
    cidr: parseCidr('10.0.9.0/29'),
    gateway: parseIp('10.0.9.1'),
    ipRange: undefined,
    aux: new Set([parseIp('10.0.9.6')]),
  }
  const owned: readonly Ip[] = ['10.0.9.1', '10.0.9.2', '10.0.9.3', '10.0.9.6'].map(parseIp)
  const resting = [
    { address: parseIp('10.0.9.4'), freeAt: '2026-01-01T00:02:00.000Z' },
    { address: parseIp('10.0.9.5'), freeAt: '2026-01-01T00:01:00.000Z' },
  ]

  it('tells apart what is used, reserved and in quarantine, and how to grow', () => {
    expect(exhausted('web', subnet, owned, resting)).toMatchObject({
      code: 'exhausted',
      message:
        'web has no free address left in 10.0.9.0/29 (2 used, 2 reserved, 2 in quarantine); the next one is free at 2026-01-01T00:01:00.000Z; detach what is not needed, or grow the network (for example "overlayctl update web --subnet 10.0.9.0/28")',
    })
  })

  it.each([
    [
      '10.0.9.4/31',
      'in 10.0.9.4/31 (0 used, 0 reserved, 2 in quarantine); the next one is free at 2026-01-01T00:01:00.000Z; detach what is not needed, widen the range (for example "overlayctl update web --ip-range 10.0.9.4/30"), or ask for an address of 10.0.9.0/29 outside the range (--ip)',
    ],
    [
      '10.0.9.2/31',
      'in 10.0.9.2/31 (2 used, 0 reserved, 0 in quarantine); detach what is not needed, widen the range (for example "overlayctl update web --ip-range 10.0.9.0/30")',
    ],
    // All of the subnet: a wider range there is none.
    ['10.0.9.0/29', '"overlayctl update web --subnet 10.0.9.0/28"'],
  ])('in the range %s', (range, text) => {
    const { message } = exhausted('web', { ...subnet, ipRange: parseCidr(range) }, owned, resting)
    expect(message).toContain(text)
  })

  it('counts a gateway that the store has no owner of', () => {
    expect(exhausted('web', subnet, [], []).message).toContain('(0 used, 2 reserved, 0 in quarantine)')
  })
})
