/** What the generated service descriptions are made of. */
import type { MessageType } from './message.ts'

export type MethodKind = 'unary' | 'server-stream' | 'duplex'

export interface Method<I, O, K extends MethodKind> {
  readonly kind: K
  /** The HTTP/2 path, for example `/overlay.v1.Networks/Create`. */
  readonly path: string
  readonly input: MessageType<I>
  readonly output: MessageType<O>
}

/** A method of any types. */
export type AnyMethod = Method<unknown, unknown, MethodKind>

/** A service: its methods by their lower-camel-case names. */
export interface Service {
  readonly name: string
  readonly methods: { readonly [method: string]: AnyMethod }
}
