import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { putAddress } from './addresses.ts'
import {
  type Attribute,
  be16,
  bytes,
  encodeAttributes,
  nest,
  readAttributes,
  readText,
  text,
  u8,
  u32,
} from './attributes.ts'
import { decodeLink, linkAttributes, linkHeader } from './links.ts'
import { decodeForwarding, decodeNeighbour, putNeighbour, putPortEntry, putRemoteEntry } from './neighbours.ts'
import { decodeAcknowledgement, decodeMessages, encodeMessage, type Request } from './netlink-message.ts'

const mac = parseMac('02:42:0a:00:09:07')
const hex = (request: Request) => encodeMessage(request, 7).toString('hex')

/** Laid out by hand after the kernel's headers; the name is the same in the words of iproute2. */
test.each<[string, Request, string]>([
  [
    'bridge fdb replace 02:42:0a:00:09:07 dev 5 master static',
    putPortEntry(5, mac, 'ove1'),
    '28000000 1c000005 07000000 00000000 07000000 05000000 42000400 0a000200 02420a00 09070000',
  ],
  [
    'bridge fdb replace … dev 5 dst 192.0.2.1 self master static',
    putRemoteEntry(5, mac, parseIp('192.0.2.1'), 'ovvx1'),
    '30000000 1c000005 07000000 00000000' +
      '07000000 05000000 42000600' +
      '0a000200 02420a00 09070000' +
      '08000100 c0000201',
  ],
  [
    'ip neigh replace 10.0.9.7 lladdr … dev 5 nud permanent',
    putNeighbour(5, parseIp('10.0.9.7'), mac, 'ovbr1'),
    '30000000 1c000005 07000000 00000000' +
      '02000000 05000000 80000000' +
      '08000100 0a000907' +
      '0a000200 02420a00 09070000',
  ],
  [
    'ip addr replace fd00::7/64 dev 5 nodad',
    putAddress(5, parseIp('fd00::7'), 64, 'ovbr1'),
    '48000000 14000005 07000000 00000000' +
      '0a400000 05000000' +
      '14000200 fd000000 00000000 00000000 00000007' +
      '14000100 fd000000 00000000 00000000 00000007' +
      '08000800 02000000',
  ],
  [
    'ip link set dev 5 up mtu 1450 alias a',
    {
      type: 16,
      flags: 0,
      header: linkHeader(5, { up: true }),
      attributes: linkAttributes({ mtu: 1450, alias: 'a' }),
    },
    '30000000 10000000 07000000 00000000' +
      '00000000 05000000 01000000 01000000' +
      '08000400 aa050000' +
      '06001400 61000000',
  ],
])('%s', (_, request, expected) => {
  expect(hex(request)).toBe(expected.replaceAll(' ', ''))
})

const attribute = fc.letrec<{ leaf: Attribute; nested: Attribute; any: Attribute }>((tie) => ({
  leaf: fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), value: fc.uint8Array({ maxLength: 40 }) }),
  nested: fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), value: fc.array(tie('any'), { maxLength: 4 }) }),
  any: fc.oneof({ maxDepth: 3 }, tie('leaf'), tie('nested')),
}))
const uniqueAttributes = fc.uniqueArray(attribute.any, { selector: ({ type }) => type, maxLength: 6 })

test('attributes are read as they were written', () => {
  fc.assert(
    fc.property(uniqueAttributes, (written) => {
      const encoded = encodeAttributes(written)
      expect(encoded.length % 4).toBe(0)
      const read = readAttributes(encoded)
      expect([...read.keys()]).toEqual(written.map(({ type }) => type))
      for (const { type, value } of written) {
        const expected = value instanceof Uint8Array ? Buffer.from(value) : encodeAttributes(value)
        expect(read.get(type)?.equals(expected)).toBe(true)
      }
    }),
  )
})

test('messages of one datagram are read as they were written, and no garbage breaks it', () => {
  const message = fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    header: fc.uint8Array({ minLength: 4, maxLength: 32 }),
    attributes: uniqueAttributes,
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.uint8Array({ maxLength: 15 }), (written, rest) => {
      const datagram = Buffer.concat([...written.map((one, at) => encodeMessage(one, at)), rest])
      const read = decodeMessages(datagram)
      expect(read.map(({ type, flags, sequence }) => ({ type, flags, sequence }))).toEqual(
        written.map(({ type, flags }, sequence) => ({ type, flags, sequence })),
      )
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      decodeMessages(Buffer.from(garbage))
      readAttributes(Buffer.from(garbage))
    }),
  )
})

test('acknowledgements tell errno and the kernel’s words, capped, whole, and at the end of a dump', () => {
  const words = encodeAttributes([text(1, 'VXLAN: unknown')])
  const errno = (value: number) => {
    const buffer = Buffer.alloc(4)
    buffer.writeInt32LE(-value)
    return buffer
  }
  const request = encodeMessage({ type: 16, flags: 5, header: Buffer.alloc(16), attributes: [u32(4, 1)] }, 3)
  const message = (type: number, flags: number, payload: Buffer) => ({ type, flags, sequence: 3, payload })
  expect(decodeAcknowledgement(message(2, 0x100, Buffer.concat([errno(0), request.subarray(0, 16)])))).toEqual({
    errno: 0,
    words: '',
  })
  const refused = { errno: 17, words: 'VXLAN: unknown' }
  const capped = Buffer.concat([errno(17), request.subarray(0, 16), words])
  expect(decodeAcknowledgement(message(2, 0x300, capped))).toEqual(refused)
  expect(decodeAcknowledgement(message(2, 0x200, Buffer.concat([errno(17), request, words])))).toEqual(refused)
  expect(decodeAcknowledgement(message(3, 0x202, Buffer.concat([errno(17), words])))).toEqual(refused)
})

test('a link is read with its kind, its port and its IPv6 settings', () => {
  const devconf = Buffer.alloc(4 * 10)
  devconf.writeUInt32LE(1, 12)
  const payload = Buffer.concat([
    linkHeader(5, { up: true }),
    encodeAttributes([
      ...linkAttributes({ name: 'ovvx5', mac, mtu: 1450, alias: 'overlay/c/web', master: 4 }),
      nest(18, [text(1, 'vxlan'), nest(2, [u32(1, 77), be16(15, 4789)]), text(4, 'bridge'), nest(5, [u8(8, 0)])]),
      nest(26, [nest(10, [bytes(2, devconf), u8(8, 1)])]),
    ]),
  ])
  const link = decodeLink(payload)
  expect(link).toMatchObject({
    index: 5,
    name: 'ovvx5',
    kind: 'vxlan',
    up: true,
    loopback: false,
    mac,
    mtu: 1450,
    alias: 'overlay/c/web',
    master: 4,
    addrGenMode: 1,
    acceptRa: 1,
  })
  expect(link.info.get(1)?.readUInt32LE(0)).toBe(77)
  expect([...link.port]).toEqual([[8, Buffer.of(0)]])
  expect(readText(undefined)).toBe('')
})

test('forwarding entries and neighbours are told apart', () => {
  const payloadOf = (request: Request) => encodeMessage(request, 1).subarray(16)
  const remote = payloadOf(putRemoteEntry(5, mac, parseIp('2001:db8::1'), 'ovvx1'))
  expect(decodeForwarding(remote)).toEqual({
    index: 5,
    of: 'device',
    mac,
    state: 'static',
    destination: '2001:db8::1',
    detour: '',
  })
  expect(decodeNeighbour(remote)).toBeUndefined()
  const neighbour = payloadOf(putNeighbour(5, parseIp('fd00::7'), mac, 'ovbr1'))
  expect(decodeNeighbour(neighbour)).toEqual({ index: 5, address: 'fd00::7', mac, state: 'permanent' })
  expect(decodeForwarding(neighbour)).toBeUndefined()
})
