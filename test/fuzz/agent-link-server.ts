/** In a controller's place: serves the agents' link, with bytes as they are. */
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { AgentLinkService } from '../../proto/index.ts'

export type RawLink = ServerDuplexStream<Buffer, Buffer>

/**
 * Serves on a port of its own choice while `action` goes on, and no longer: also
 * when that fails all connections are ended.
 */
export async function whileServing<T>(
  host: string,
  connect: (link: RawLink) => void,
  action: (port: number) => Promise<T>,
): Promise<T> {
  const server = new Server()
  const same = (bytes: Buffer) => bytes
  const { path } = AgentLinkService.methods.connect
  const method = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
  server.addService({ connect: { path, requestStream: true, responseStream: true, ...method } }, { connect })
  try {
    return await action(await bound(server, host))
  } finally {
    server.forceShutdown()
  }
}

function bound(server: Server, host: string): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
}
