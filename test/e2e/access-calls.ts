/** One call of any method, as whoever has these files; and what became of it. */
import { Client, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { ErrorCode } from '../../lib/errors.ts'
import { fromStatus } from '../../lib/rpc-status.ts'
import { clientCredentials, readTls, type TlsFiles } from '../../lib/tls.ts'
import * as proto from '../../proto/index.ts'
import { pathOf, type Row } from './access-table.ts'

/** Of all services that a controller has of its own. */
export const methods: readonly proto.AnyMethod[] = Object.values(proto)
  .filter((one): one is typeof one & proto.Service => 'methods' in one && 'name' in one)
  .filter((service) => service !== proto.AgentService)
  .flatMap((service: proto.Service) => Object.values(service.methods))

export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
}

export interface Caller {
  /** Undefined: the handler answered, or a stream was opened. */
  call(row: Row): Promise<Refusal | undefined>
  close(): void
}

/** `target` as gRPC dials it. Without files: in clear. */
export function callerWith(target: string, files: TlsFiles | undefined): Caller {
  const client = new Client(target, clientCredentials(files && readTls(files)), {
    'grpc.max_reconnect_backoff_ms': 500,
  })
  return {
    call: (row) => call(client, row),
    close: () => client.close(),
  }
}

async function call(client: Client, row: Row): Promise<Refusal | undefined> {
  const path = pathOf(row)
  const method = methods.find((each) => each.path === path)
  const encode = (request: object) => Buffer.from(method ? method.input.encode(request) : [])
  const stream = client.makeBidiStreamRequest(path, encode, (bytes: Buffer) => bytes, new Metadata(), {
    deadline: Date.now() + 20_000,
  })
  const outcome = new Promise<Refusal | undefined>((resolve) => {
    stream.on('error', (error: ServiceError) => resolve(fromStatus(error)))
    stream.on('data', () => resolve(undefined))
    stream.on('end', () => resolve(undefined))
  })
  stream.write(row.request)
  if (!row.silent) stream.end()
  // It is open when what was asked after it, on the same connection, has its answer.
  const opened = row.silent ? listed(client).then(() => undefined) : outcome
  const first = await Promise.race([outcome, opened])
  stream.cancel()
  return first
}

async function listed(client: Client): Promise<void> {
  const { path } = proto.NetworksService.methods.list
  for (let times = 0; times < 2; times++)
    await new Promise<void>((resolve) =>
      client.makeUnaryRequest(
        path,
        () => Buffer.alloc(0),
        (bytes: Buffer) => bytes,
        {},
        () => resolve(),
      ),
    )
}
