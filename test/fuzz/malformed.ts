/** Bytes that are no message, or hardly: made from such as are. */
import fc from 'fast-check'

/** What a sender that is broken, or means harm, makes of a message. */
export function malformed(messages: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(messages, fc.nat(100)).map(([bytes, share]) => bytes.slice(0, Math.floor((bytes.length * share) / 101))),
    fc.tuple(messages, changes).map(([bytes, where]) => changed(bytes, where)),
    fc.tuple(messages, fc.uint8Array({ minLength: 1, maxLength: 20 })).map((both) => Buffer.concat(both)),
    fc.tuple(messages, unknownField).map((both) => Buffer.concat(both)),
    fc
      .tuple(fc.nat({ max: 20 }), strange)
      .map(([field, part]) => Buffer.concat([Buffer.from([(field << 3) | 2]), part])),
    fc.constantFrom(...hopeless),
  )
}

/** Where, in thousandths of the length, and by what a byte is replaced. */
const changes = fc.array(fc.tuple(fc.nat(999), fc.nat(255)), { minLength: 1, maxLength: 8 })

function changed(bytes: Uint8Array, where: readonly (readonly [number, number])[]): Uint8Array {
  const result = Buffer.from(bytes)
  for (const [share, value] of where) if (result.length > 0) result[Math.floor((share * result.length) / 1_000)] = value
  return result
}

/** Fields of a newer version: of each wire type, groups among them. */
const unknownField = fc.constantFrom(
  Buffer.from([0xf8, 0x07, 0x01]),
  Buffer.from([0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8]),
  Buffer.from([0xfa, 0x07, 0x02, 0x61, 0x62]),
  Buffer.from([0xfb, 0x07, 0x08, 0x01, 0xfc, 0x07]),
  Buffer.from([0xfd, 0x07, 1, 2, 3, 4]),
)

const strange = fc.constantFrom(
  // A length beyond the end, one beyond all memory, one that is negative.
  Buffer.from([0x7f, 0x61]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  // Text that is no UTF-8.
  Buffer.from([0x04, 0xff, 0xfe, 0xc0, 0x80]),
  Buffer.from([0x03, 0xed, 0xa0, 0x80]),
)

const hopeless = [
  // A varint without an end; one of 11 bytes; tag 0; a group that is never closed; wire types 6 and 7.
  Buffer.alloc(50, 0xff),
  Buffer.from([0x08, ...Array<number>(10).fill(0x80), 0x01]),
  Buffer.from([0x00]),
  Buffer.from([0x0b]),
  Buffer.from([0x0e, 0x01]),
  Buffer.from([0x0f, 0x01]),
  // Messages, and groups, in one another without end.
  nested(0x12, 10_000),
  Buffer.alloc(100_000, 0x0b),
  Buffer.alloc(3_000_000, 0x0a),
]

/** Each is the whole content of field `tag` of the one around it. */
function nested(tag: number, levels: number): Buffer {
  const parts: Buffer[] = []
  let length = 0
  for (let level = 0; level < levels; level++) {
    const head = Buffer.from([tag, ...lengthBytes(length)])
    parts.push(head)
    length += head.length
  }
  return Buffer.concat(parts.toReversed())
}

function lengthBytes(length: number): readonly number[] {
  return length < 128 ? [length] : [(length & 127) | 128, ...lengthBytes(length >>> 7)]
}
