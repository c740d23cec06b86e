/** A real etcd for tests: on a loopback address of its own, in a temporary directory. */
import { readdirSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { pause } from '../lib/retry.ts'

export interface TestEtcd {
  readonly url: string
  readonly peerUrl: string
  readonly pid: number
  /** Of etcd's data; to be touched only while it is stopped. */
  readonly dataDirectory: string
  /** Ends it with SIGTERM, by which it closes its connections. */
  readonly stop: () => Promise<void>
  /** Ends it with SIGKILL. */
  readonly kill: () => Promise<void>
  /** Starts it again on the same address and data, after `stop` or `kill`. */
  readonly restart: () => Promise<void>
  /** SIGSTOP: connections stay, nothing is answered. Returns once it has stopped. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Copies the data, while it is stopped; `restoreData` puts the copy back. */
  readonly saveData: () => Promise<void>
  /** Puts the saved data back, or, if none was saved, an empty directory. */
  readonly restoreData: () => Promise<void>
  /** Ends it and removes all that it left. May be called twice. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

export interface TestEtcdOptions {
  /** More flags of etcd, for example `--max-request-bytes=…`. */
  readonly flags?: readonly string[]
  /** `https` needs the flags for certificates. */
  readonly scheme?: 'http' | 'https'
  /** Default: a random loopback address. */
  readonly host?: string
  /** Default: `test`. */
  readonly name?: string
  /**
   * Adds the member at this peer URL to a cluster, and tells the peer URLs of
   * those that are there by their names. It serves once it has its vote: that is
   * not waited for.
   */
  readonly join?: (peerUrl: string) => Promise<Readonly<Record<string, string>>>
}

/**
 * Starts etcd and waits until it serves. It dies with this process, however
 * that ends; remove its directory with `close`.
 */
export async function startEtcd(options: TestEtcdOptions = {}): Promise<TestEtcd> {
  const { flags = [], scheme = 'http', host = randomLoopback(), name = 'test', join: enter } = options
  const directory = await mkdtemp(join(tmpdir(), 'overlay-etcd-'))
  const dataDirectory = join(directory, 'data')
  const savedDirectory = join(directory, 'saved')
  const [client, peer, metrics] = await freePorts(host, 3)
  const url = `${scheme}://${host}:${client}`
  const peerUrl = `http://${host}:${peer}`
  const metricsUrl = `http://${host}:${metrics}`
  const members = { ...(await enter?.(peerUrl)), [name]: peerUrl }
  const args = [
    `--name=${name}`,
    `--data-dir=${dataDirectory}`,
    '--logger=zap',
    '--log-level=error',
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-metrics-urls=${metricsUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${Object.entries(members)
      .map((member) => member.join('='))
      .join()}`,
    `--initial-cluster-state=${enter ? 'existing' : 'new'}`,
    // Nothing has to survive a power cut, and it should be leader at once.
    '--unsafe-no-fsync',
    '--heartbeat-interval=20',
    '--election-timeout=200',
    ...flags,
  ]

  let etcd = spawnEtcd(args)
  const serve = () =>
    serving(metricsUrl, etcd).catch(async (error: unknown) => {
      await end(etcd, 'SIGKILL')
      throw error
    })
  const close = async () => {
    await end(etcd, 'SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
  if (!enter)
    await serve().catch(async (error: unknown) => {
      await close()
      throw error
    })
  return {
    url,
    peerUrl,
    get pid() {
      return etcd.pid ?? 0
    },
    dataDirectory,
    stop: () => end(etcd, 'SIGTERM'),
    kill: () => end(etcd, 'SIGKILL'),
    async restart() {
      etcd = spawnEtcd(args)
      await serve()
    },
    freeze() {
      etcd.kill('SIGSTOP')
      waitUntilStopped(etcd.pid ?? 0)
    },
    thaw: () => void etcd.kill('SIGCONT'),
    async saveData() {
      await cp(dataDirectory, savedDirectory, { recursive: true })
    },
    async restoreData() {
      await rm(dataDirectory, { recursive: true, force: true })
      await cp(savedDirectory, dataDirectory, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

type Process = ReturnType<typeof spawnEtcd>

function spawnEtcd(args: readonly string[]) {
  // setpriv: it shall not outlive a killed test run.
  return execa('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...args], {
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    maxBuffer: 100_000,
  })
}

async function end(etcd: Process, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  etcd.kill('SIGCONT')
  etcd.kill(signal)
  await etcd
}

/** A signal is delivered some time after it was sent: until then etcd answers. */
function waitUntilStopped(pid: number): void {
  const end = performance.now() + 2_000
  const stopped = () =>
    readdirSync(`/proc/${pid}/task`).every((thread) =>
      /\) [Tt] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
    )
  while (!stopped()) if (performance.now() > end) throw new Error(`etcd (process ${pid}) does not freeze`)
}

/** Its metrics address answers also where clients need certificates. */
async function serving(metricsUrl: string, etcd: Process): Promise<void> {
  const end = performance.now() + 15_000
  for (;;) {
    const answer = await fetch(`${metricsUrl}/health`, { signal: AbortSignal.timeout(1_000) })
      .then((response) => response.text())
      .catch(() => '')
    if (answer.includes('"true"')) return
    if (etcd.exitCode !== null || etcd.signalCode !== null) throw new Error(`etcd ended: ${(await etcd).stderr}`)
    if (performance.now() > end) throw new Error(`etcd does not serve at ${metricsUrl}`)
    await pause(20)
  }
}

/** All of 127.0.0.0/8 is loopback: runs side by side get addresses apart. */
export function randomLoopback(): string {
  const byte = () => 1 + Math.floor(Math.random() * 250)
  return `127.${byte()}.${byte()}.${byte()}`
}

async function freePorts(host: string, count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
