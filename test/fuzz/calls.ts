/** Calls with bytes as they are, and what came of them. */
import { Client, credentials, status } from '@grpc/grpc-js'
import type { Rpc } from './surface.ts'

export interface Result {
  readonly code: status
  readonly details: string
}

export interface Caller {
  call(rpc: Rpc, requests: readonly Uint8Array[]): Promise<Result>
  close(): void
}

/** Milliseconds: more than any call takes that does not wait for something. */
const patience = 20_000
/** Of calls that wait until they are given up. */
const waits: Readonly<Record<string, number>> = { 'Networks/WaitApplied': 150 }
/** How long a stream without an end is listened to. */
const listening = 50

export function createCaller(address: string): Caller {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 })
  return {
    call: (rpc, requests) => (rpc.requestStream ? stream(client, rpc, requests) : single(client, rpc, requests)),
    close: () => client.close(),
  }
}

/** Whether it says that nothing was done: not so after a lost answer. */
export function isRefusal(result: Result): boolean {
  return result.code !== status.OK && !isUnknown(result)
}

/** Whether nobody knows what came of it. */
export function isUnknown(result: Result): boolean {
  const { code } = result
  const isGivenUp = code === status.DEADLINE_EXCEEDED || code === status.CANCELLED || code === status.UNAVAILABLE
  return isGivenUp || isCutOff(result)
}

/**
 * The words are this client's own: the server has ended the connection, as HTTP/2
 * does with one on which too many streams are taken back (CVE-2023-44487).
 */
function isCutOff({ code, details }: Result): boolean {
  return code === status.INTERNAL && /^Received RST_STREAM .*Session closed/.test(details)
}

/** Answers that no request deserves, however bad it is. */
export function isFault(result: Result): boolean {
  const { code } = result
  return (code === status.INTERNAL && !isCutOff(result)) || code === status.UNKNOWN || code === status.UNIMPLEMENTED
}

/** Was not answered at all, though the call does not wait for anything; streams may go on as long as they like. */
export function isHang(rpc: Pick<Rpc, 'name' | 'requestStream' | 'responseStream'>, { code }: Result): boolean {
  const isUnary = !rpc.requestStream && !rpc.responseStream
  return isUnary && waits[rpc.name] === undefined && code === status.DEADLINE_EXCEEDED
}

const same = (bytes: Buffer) => bytes

function single(client: Client, rpc: Rpc, [bytes = Buffer.alloc(0)]: readonly Uint8Array[]): Promise<Result> {
  const deadline = Date.now() + (waits[rpc.name] ?? patience)
  const request = Buffer.from(bytes)
  return new Promise((resolve) => {
    if (!rpc.responseStream) {
      client.makeUnaryRequest(rpc.path, same, same, request, { deadline }, (error) =>
        resolve(error ?? { code: status.OK, details: '' }),
      )
      return
    }
    const call = client.makeServerStreamRequest(rpc.path, same, same, request, { deadline })
    const timer = setTimeout(() => call.cancel(), listening)
    call
      .on('error', () => undefined)
      .on('status', (result) => {
        clearTimeout(timer)
        resolve(result)
      })
      .resume()
  })
}

/** Sends all, and ends its half. */
function stream(client: Client, rpc: Rpc, requests: readonly Uint8Array[]): Promise<Result> {
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest(rpc.path, same, same, { deadline: Date.now() + patience })
    call
      .on('error', () => undefined)
      .on('status', resolve)
      .resume()
    for (const bytes of requests) call.write(Buffer.from(bytes))
    call.end()
  })
}
