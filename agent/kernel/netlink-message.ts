/**
 * Netlink messages (struct nlmsghdr in linux/netlink.h): length, type, flags,
 * sequence number, port id; then a header of the type's own and attributes. Pure.
 */
import { type Attribute, align, encodedLength, readAttributes, readText, writeAttributes } from './attributes.ts'
import { NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSGERR_ATTR_MSG } from './rtnetlink.ts'

const headerLength = 16

export interface Request {
  readonly type: number
  readonly flags: number
  /** The fixed part, for example a struct ifinfomsg. */
  readonly header: Uint8Array
  readonly attributes: readonly Attribute[]
}

export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** What follows the header: a view. */
  readonly payload: Buffer
}

/** What NLMSG_ERROR says; `errno` 0 is an acknowledgement. */
export interface Acknowledgement {
  readonly errno: number
  /** The kernel's own words (extended ACK); empty when it has none. */
  readonly words: string
}

export function encodeMessage({ type, flags, header, attributes }: Request, sequence: number): Buffer {
  const start = headerLength + align(header.length)
  const length = start + encodedLength(attributes)
  const buffer = Buffer.alloc(length)
  buffer.writeUInt32LE(length, 0)
  buffer.writeUInt16LE(type, 4)
  buffer.writeUInt16LE(flags, 6)
  buffer.writeUInt32LE(sequence, 8)
  buffer.set(header, headerLength)
  writeAttributes(buffer, start, attributes)
  return buffer
}

/** The messages of one datagram; what is cut off at its end is left out. */
export function decodeMessages(datagram: Buffer): Message[] {
  const messages: Message[] = []
  let at = 0
  while (at + headerLength <= datagram.length) {
    const length = datagram.readUInt32LE(at)
    if (length < headerLength || at + length > datagram.length) break
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      payload: datagram.subarray(at + headerLength, at + length),
    })
    at += align(length)
  }
  return messages
}

/** Reads NLMSG_ERROR, and NLMSG_DONE of a dump, which may carry an error too. */
export function decodeAcknowledgement({ type, flags, payload }: Message): Acknowledgement {
  const errno = payload.length >= 4 ? Math.abs(payload.readInt32LE(0)) : 0
  if (!(flags & NLM_F_ACK_TLVS)) return { errno, words: '' }
  const start = 4 + (type === NLMSG_DONE ? 0 : echoedLength(flags, payload))
  return { errno, words: readText(readAttributes(payload.subarray(start)).get(NLMSGERR_ATTR_MSG)) }
}

/** After an NLMSG_ERROR's errno stands the request's header, and the whole request unless capped. */
function echoedLength(flags: number, payload: Buffer): number {
  if (flags & NLM_F_CAPPED || payload.length < 8) return headerLength
  return align(payload.readUInt32LE(4))
}
