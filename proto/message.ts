/**
 * The runtime half of the generated code: what a message can do. The codecs
 * themselves are protobufjs' static code in gen/codecs.js.
 */
import protobuf from 'protobufjs/minimal.js'

/** What protobufjs' static code gives for each message type. */
export interface StaticCodec {
  encode(message: object): { finish(): Uint8Array }
  decode(reader: protobuf.Reader): object
  fromObject(object: object): object
  toObject(message: object, options: object): object
}

/** A message to be written: every field may be left out. */
export type Init<T> = T extends readonly (infer U)[]
  ? readonly Init<U>[]
  : T extends object
    ? { readonly [K in keyof T]?: Init<T[K]> | undefined }
    : T

export type JsonObject = { [key: string]: unknown }

/**
 * One message type. Values are plain objects with every field present: empty
 * text, 0, `[]`, `{}`, and null for a message that is not set; only members of
 * a oneof are left out. Enum values are their names, 64-bit integers numbers
 * (exact up to 2^53).
 */
export interface MessageType<T> {
  /** Full name, for example `overlay.v1.Network`. */
  readonly name: string
  create(init?: Init<T>): T
  /** @throws RangeError and others when the bytes are not such a message. */
  decode(bytes: Uint8Array): T
  encode(value: Init<T>): Uint8Array
  /**
   * From canonical proto3 JSON. Fields that this version does not know are
   * passed over.
   * @throws TypeError when a field has a value of the wrong kind.
   */
  fromJson(json: JsonObject): T
  /** As canonical proto3 JSON: fields that are not given are left out. */
  toJson(value: Init<T>): JsonObject
}

/** protobufjs' own takes a text that ends too early for a shorter one: a name cut in two would be another's. */
class StrictReader extends protobuf.BufferReader {
  override string(): string {
    return Buffer.from(this.bytes()).toString()
  }
}

const plain = { longs: Number, enums: String, defaults: true } as const
const canonical = { longs: String, enums: String, bytes: String } as const

/** Binds the generated codec of one message to its type. */
export function message<T>(name: string, codec: StaticCodec): MessageType<T> {
  const whole = (value: object) => codec.toObject(value, plain) as T
  return {
    name,
    create: (init) => whole(codec.fromObject(init ?? {})),
    decode: (bytes) => whole(codec.decode(new StrictReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)))),
    encode: (value) => codec.encode(codec.fromObject(value as object)).finish(),
    fromJson: (json) => whole(codec.fromObject(json)),
    toJson: (value) => codec.toObject(codec.fromObject(value as object), canonical) as JsonObject,
  }
}
