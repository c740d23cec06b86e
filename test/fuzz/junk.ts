/** Records that nobody of ours would write, under every range of keys there is. */
import fc from 'fast-check'
import { createKeys } from '../../store/keys.ts'
import type { Key, Range } from '../../store/store.ts'

export interface Junk {
  readonly key: Buffer
  readonly value: Buffer
}

/** Where `createKeys` puts things of one network, below the prefix, for example `endpoints/web/x`; a new range is among them by itself. */
function places(network: string): readonly string[] {
  const parts = [network, '10.77.0.99', '2026-01-01T00:00:00Z', 'x']
  const found = Object.values(createKeys('')).flatMap((member) => {
    if (typeof member === 'string') return []
    const made = typeof member === 'function' ? call(member, parts) : member
    return 'path' in made ? [made.path] : [`${made.prefix}x`]
  })
  return [...new Set(found)]
}

type Maker = (...parts: never[]) => Key<unknown> | Range<unknown>

function call(make: Maker, parts: readonly unknown[]): Key<unknown> | Range<unknown> {
  return make(...(parts.slice(0, make.length) as never[]))
}

/** Instead of the last part of a key, or beside it. */
const oddParts: readonly Buffer[] = [
  ['', ' ', '.', '..', 'a/b/c', '/', '\0', '\n', '\u001b[31m', '__proto__', 'constructor', 'é😀', '\u202e', 'NaN'],
  ['-1', '0', '16777216', '99999999999999999999', 'FF:FF', '10.77.0.0/16', 'UPPER', 'x'.repeat(1_000)],
]
  .flat()
  .map((text) => Buffer.from(text))
  .concat(Buffer.from([0xff, 0xfe]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0x80]))

/** In JSON, what a field may have that it should not. */
const wrong: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 1e308, '', 'x', '10.77.0.9', [], {}, [null], { a: 1 }, '\ud800', 2 ** 53),
  fc.jsonValue({ maxDepth: 2 }),
)

const fields = [
  ['name', 'uid', 'vni', 'subnets', 'mtu', 'labels', 'options', 'state', 'id', 'network', 'networkUid', 'node'],
  ['mac', 'addresses', 'ifname', 'sandbox', 'kind', 'endpointId', 'address', 'vtepAddress', 'eager', 'next', 'since'],
].flat()

/** No record of any type. */
export const unreadable: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('null', '[]', '42', '"x"', '{', '{"name"', 'NaN', '{}x', '\ufeff{}').map((text) => Buffer.from(text)),
  fc.constant(Buffer.from('['.repeat(20_000))),
  fc.constant(Buffer.from(`{"labels":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`)),
)

/** JSON objects, with the names of fields that records have, and anything in them. */
const wrongType = fc
  .dictionary(fc.constantFrom(...fields), wrong, { minKeys: 0, maxKeys: 8 })
  .map((object) => Buffer.from(JSON.stringify(object)))

/** Odd keys and odd values; of a network that has to work `onlyUnreadable`. */
export function junk(
  prefix: string,
  network: string,
  { onlyUnreadable }: { onlyUnreadable: boolean },
): fc.Arbitrary<Junk> {
  const place = fc.constantFrom(...places(network).filter((path) => !onlyUnreadable || path.includes(network)))
  const value = onlyUnreadable ? unreadable : fc.oneof(unreadable, wrongType, wrongType)
  const odd = fc.oneof(
    fc.constantFrom(...oddParts),
    fc.stringMatching(/^[0-9a-f]{1,32}$/).map((text) => Buffer.from(text)),
  )
  return fc.tuple(place, odd, value, fc.boolean()).map(([path, part, bytes, deeper]) => {
    const parent = deeper ? `${path}/` : path.slice(0, path.lastIndexOf('/') + 1)
    return { key: Buffer.concat([Buffer.from(prefix + parent), part]), value: bytes }
  })
}
