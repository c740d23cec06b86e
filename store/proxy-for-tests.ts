/** A TCP proxy for tests: a network between client and etcd that can fail. */
import { createServer, connect as dial, type Socket } from 'node:net'

export interface TestProxy {
  readonly url: string
  /** Breaks all connections and takes none, until `restore`. */
  readonly cut: () => Promise<void>
  /** Nothing passes any more, but connections stay and new ones are taken, as when a host has died. */
  readonly stall: () => void
  readonly restore: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Forwards to an `http://` URL from a free port of 127.0.0.1. */
export async function startProxy(to: string): Promise<TestProxy> {
  const { hostname, port } = new URL(to)
  const sockets = new Set<Socket>()
  let stalled = false
  let listeningPort = 0

  const server = createServer((client) => {
    const pair = [client, dial(Number(port), hostname)] as const
    for (const [from, into] of [pair, [pair[1], pair[0]]] as const) {
      sockets.add(from)
      from.on('data', (bytes) => {
        if (!stalled) into.write(bytes)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        sockets.delete(from)
        if (!stalled) into.destroy()
      })
    }
  })
  const listen = async () => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(listeningPort, '127.0.0.1', resolve)
    })
    listeningPort = (server.address() as { port: number }).port
  }
  const cut = async () => {
    const closed = server.listening && new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await listen()
  return {
    url: `http://127.0.0.1:${listeningPort}`,
    cut,
    stall() {
      stalled = true
    },
    async restore() {
      // What was swallowed is lost to those connections: they are of no use.
      if (stalled) for (const socket of sockets) socket.destroy()
      stalled = false
      if (!server.listening) await listen()
    },
    close: cut,
  }
}
