export * from './gen/messages.ts'
export type { Init, JsonObject, MessageType } from './message.ts'
export type { AnyMethod, Method, MethodKind, Service } from './service.ts'
