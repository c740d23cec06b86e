/** A TCP proxy for tests: a network between client and etcd that can fail. */
import { createServer, connect as dial, type Socket } from 'node:net'

export interface TestProxy {
  readonly url: string
  /** Breaks all connections and takes none, until `restore`. */
  readonly cut: () => Promise<void>
  /** Nothing passes any more, but connections stay and new ones are taken, as when a host has died. */
  readonly stall: () => void
  /** The same of the connections that are open now, and for good. */
  readonly strand: () => void
  readonly restore: () => Promise<void>
  /** From now on what the server says arrives so many milliseconds late. */
  readonly delay: (milliseconds: number) => void
  readonly close: () => Promise<void>
}

/** Forwards to an `http://` URL from a free port of 127.0.0.1. */
export async function startProxy(to: string): Promise<TestProxy> {
  const { hostname, port } = new URL(to)
  const sockets = new Set<Socket>()
  const stranded = new Set<Socket>()
  let stalled = false
  let late = 0
  let listeningPort = 0

  const server = createServer((client) => {
    const upstream = dial(Number(port), hostname)
    const pair = [client, upstream] as const
    for (const [from, into] of [pair, [pair[1], pair[0]]] as const) {
      sockets.add(from)
      from.on('data', (bytes) => {
        const pass = () => !stalled && !stranded.has(from) && into.writable && into.write(bytes)
        // Timers of one length fire in the order in which they were set.
        if (from === upstream && late > 0) setTimeout(pass, late)
        else pass()
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
    strand() {
      for (const socket of sockets) stranded.add(socket)
    },
    async restore() {
      // What was swallowed is lost to those connections: they are of no use.
      if (stalled) for (const socket of sockets) socket.destroy()
      stalled = false
      if (!server.listening) await listen()
    },
    delay(milliseconds) {
      late = milliseconds
    },
    close: cut,
  }
}
