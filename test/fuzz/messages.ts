/**
 * Messages by their schema, as bytes. They are put together field by field, so
 * that also what no encoder would write is among them: both members of a oneof,
 * an enum's value that nobody knows, a message field twice.
 */
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { type Surroundings, textsFor } from './words.ts'

/** One field as it is on the wire. */
type Part = Uint8Array

const numbers = {
  small: fc.nat(5),
  unsigned: fc.constantFrom(1, 68, 576, 1_280, 1_450, 65_535, 1_048_576, 16_777_215, 16_777_216, 2 ** 31, 2 ** 32 - 1),
  signed: fc.constantFrom(-1, 500, -500, 501, 2 ** 31 - 1, -(2 ** 31)),
  large: fc.constantFrom(2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64 - 2_048),
  double: fc.constantFrom(0.5, -0, Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, 5e-324),
}

/** How deep messages in messages go. */
const deepest = 3

export interface Kind {
  /** Mostly of what the fields are for: some of them are accepted. */
  readonly tame: boolean
  readonly there: Surroundings
}

/** Bytes of messages of that type; not all of them are sensible, but all are well formed. */
export function messages(type: protobuf.Type, kind: Kind, depth = 0): fc.Arbitrary<Uint8Array> {
  const fields = type.fieldsArray.map((field) => {
    field.resolve()
    return fieldParts(field, kind, depth)
  })
  // Mostly in order; a decoder has to take them in any.
  const first = kind.tame ? fc.constant(0) : fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(20))
  return fc.tuple(fc.tuple(...fields), first).map(([parts, at]) => {
    const all = parts.flat()
    const turn = at % (all.length || 1)
    return Buffer.concat([...all.slice(turn), ...all.slice(0, turn)])
  })
}

const none = fc.constant<readonly Part[]>([])

/** None, one, or several of one field. */
function fieldParts(field: protobuf.FieldBase, kind: Kind, depth: number): fc.Arbitrary<readonly Part[]> {
  if (depth >= deepest) return none
  const one = partOf(field, kind, depth)
  const list = one.map((part): readonly Part[] => [part])
  // Of a oneof its first member.
  if (kind.tame) return isLaterMember(field) ? none : fc.oneof(none, { weight: 2, arbitrary: list })
  const several = fc.array(one, { maxLength: depth === 0 ? 4 : 2 })
  const many = one.map((part) => Array<Part>(depth === 0 && part.length < 10_000 ? 200 : 3).fill(part))
  if (field.repeated || field instanceof protobuf.MapField)
    return fc.oneof({ weight: 5, arbitrary: none }, { weight: 10, arbitrary: several }, { weight: 1, arbitrary: many })
  return fc.oneof(
    { weight: 6, arbitrary: none },
    { weight: 9, arbitrary: list },
    { weight: 1, arbitrary: fc.tuple(one, one) },
  )
}

function isLaterMember({ name, partOf: oneof }: protobuf.FieldBase): boolean {
  return oneof?.name === 'sandbox' && oneof.oneof.indexOf(name) > 0
}

function partOf(field: protobuf.FieldBase, kind: Kind, depth: number): fc.Arbitrary<Part> {
  if (field instanceof protobuf.MapField) return mapEntry(field, kind, depth)
  return valueOf(field, field.type, field.name, kind, depth).map((write) => written(field.id, write))
}

/** An entry is a message with a key and a value (proto3, "Maps"). */
function mapEntry(field: protobuf.MapField, kind: Kind, depth: number): fc.Arbitrary<Part> {
  const key = valueOf(undefined, field.keyType, `${field.name} key`, kind, depth)
  const value = valueOf(field, field.type, `${field.name} value`, kind, depth)
  return fc.tuple(key, value).map(([writeKey, writeValue]) => {
    const entry = Buffer.concat([written(1, writeKey), written(2, writeValue)])
    return written(field.id, bytesWriter(entry))
  })
}

interface Write {
  readonly wireType: number
  readonly into: (writer: protobuf.Writer) => unknown
}

function written(id: number, { wireType, into }: Write): Part {
  const writer = protobuf.Writer.create().uint32((id << 3) | wireType)
  into(writer)
  return writer.finish()
}

const bytesWriter = (bytes: Uint8Array): Write => ({ wireType: 2, into: (writer) => writer.bytes(bytes) })
const varint = (into: Write['into']): Write => ({ wireType: 0, into })

function valueOf(
  field: protobuf.FieldBase | undefined,
  type: string,
  name: string,
  kind: Kind,
  depth: number,
): fc.Arbitrary<Write> {
  const { resolvedType } = field ?? {}
  const or = (wild: fc.Arbitrary<number>) => (kind.tame ? numbers.small : fc.oneof(numbers.small, wild))
  if (resolvedType instanceof protobuf.Type) return messages(resolvedType, kind, depth + 1).map(bytesWriter)
  if (resolvedType instanceof protobuf.Enum) {
    const known = Object.values(resolvedType.values)
    return fc.constantFrom(...known, 99, -1, 2 ** 31 - 1).map((value) => varint((writer) => writer.int32(value)))
  }
  switch (type) {
    case 'string':
      return textsFor(name, kind).map((text) => ({ wireType: 2, into: (writer) => writer.string(text) }))
    case 'bytes':
      return fc.uint8Array({ maxLength: 100 }).map(bytesWriter)
    case 'bool':
      return fc.boolean().map((value) => varint((writer) => writer.bool(value)))
    case 'uint32':
      return or(numbers.unsigned).map((value) => varint((writer) => writer.uint32(value)))
    case 'sint32':
      return or(numbers.signed).map((value) => varint((writer) => writer.sint32(value)))
    case 'uint64':
      return or(fc.oneof(numbers.unsigned, numbers.large)).map((value) => varint((writer) => writer.uint64(value)))
    case 'double':
      return numbers.double.map((value) => ({ wireType: 1, into: (writer) => writer.double(value) }))
    default:
      throw new Error(`${name}: add the type ${type} to test/fuzz/messages.ts`)
  }
}
