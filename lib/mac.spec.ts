import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { macBytes, macOf, parseEndpointMac, parseMac } from './mac.ts'

describe('parseMac', () => {
  it('writes lower case', () => {
    expect(parseMac('02:42:0A:00:09:07')).toBe('02:42:0a:00:09:07')
  })

  it.each(['', '02:42:0a:00:09', '02:42:0a:00:09:07:08', '02-42-0a-00-09-07', '02:42:0a:00:09:0g', '2:42:0a:00:09:07'])(
    'refuses %j',
    (text) => {
      expect(() => parseMac(text)).toThrow(`"${text}" is not a MAC address`)
    },
  )
})

describe('parseEndpointMac', () => {
  it.each(['02:42:0A:00:09:07', '00:00:00:00:00:01', 'fe:ff:ff:ff:ff:ff'])('takes %j', (text) => {
    expect(parseEndpointMac(text)).toBe(text.toLowerCase())
  })

  it.each([
    ['ff:ff:ff:ff:ff:ff', 'multicast'],
    ['01:00:5e:00:00:fb', 'multicast'],
    ['33:33:00:00:00:01', 'multicast'],
    ['00:00:00:00:00:00', 'no MAC address of a device'],
    ['02:42', 'is not a MAC address'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseEndpointMac(text)).toThrow(reason)
  })
})

describe('macOf', () => {
  it('is locally administered, unicast, and well formed', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (parts) => {
        const mac = macOf(...parts)
        expect(parseMac(mac)).toBe(mac)
        expect((macBytes(mac)[0] ?? 0) & 0b11).toBe(0b10)
      }),
    )
  })

  it('is the same for the same parts, in their order and with their borders', () => {
    expect(macOf('endpoint', 'a')).toBe(macOf('endpoint', 'a'))
    const others = [macOf('a', 'endpoint'), macOf('endpoint', 'b'), macOf('endpointa'), macOf('endpoint', 'a', '')]
    expect(new Set([macOf('endpoint', 'a'), ...others]).size).toBe(5)
  })
})

it('macBytes gives the six bytes', () => {
  expect([...macBytes(parseMac('02:42:0a:00:09:ff'))]).toEqual([0x02, 0x42, 0x0a, 0x00, 0x09, 0xff])
})
