/** Records: from etcd's bytes to our messages. */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { JsonObject, MessageType } from '../proto/index.ts'
import type { KeyValue } from './etcd-api.ts'
import { removalOf } from './etcdctl.ts'
import type { Entry } from './store.ts'
import { checkUsable } from './usable.ts'

/**
 * @throws OverlayError `internal`, naming the key, when the value is not such a
 * record, or cannot be that key's.
 */
export function decodeEntry<T>(type: MessageType<T> | null, kv: KeyValue): Entry<T> {
  const path = kv.key.toString()
  const { value, json } = decodeValue(type, kv.value, path)
  return {
    path,
    value,
    json,
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
  }
}

/** Passes over records that cannot be read, with a warning once per key and revision. */
export type LenientDecoder = <T>(type: MessageType<T> | null, kv: KeyValue) => Entry<T> | undefined

export function lenientDecoder(log: Logger): LenientDecoder {
  /** The last malformed revision of each key. */
  const warned = new Map<string, string>()
  return (type, kv) => {
    try {
      return decodeEntry(type, kv)
    } catch (error) {
      const key = kv.key.toString()
      if (warned.get(key) !== kv.mod_revision) {
        if (warned.size >= mostWarned) warned.clear()
        warned.set(key, kv.mod_revision)
        log.warn({ err: OverlayError.from(error), key, revision: Number(kv.mod_revision) }, 'malformed record ignored')
      }
      return undefined
    }
  }
}

const mostWarned = 10_000

function decodeValue<T>(type: MessageType<T> | null, bytes: Buffer, path: string): { value: T; json: JsonObject } {
  // A key without a value is a Key<null>.
  if (!type) return { value: null as T, json: {} }
  try {
    const json: unknown = JSON.parse(bytes.toString())
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new TypeError('it is no JSON object')
    const value = type.fromJson(json as JsonObject)
    checkUsable(type, value, path)
    return { value, json: json as JsonObject }
  } catch (error) {
    throw new OverlayError(
      'internal',
      `the record at ${path} is not a valid ${type.name}: ${(error as Error).message}; look at it with etcdctl get, and put it right or remove it (${removalOf(path)})`,
      { cause: error },
    )
  }
}
