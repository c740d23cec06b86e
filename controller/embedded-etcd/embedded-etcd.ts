/**
 * A local etcd of one member, for those who run none: started, adopted after a
 * restart of ours, and started again when it dies. It does not end with us when
 * we are killed, because the agents need it more than us.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { delayBefore, pause } from '../../lib/retry.ts'
import { type EtcdAddresses, etcdArguments } from './arguments.ts'
import { endProcess, isRunning, type ProcessRecord, readRecord, recordOf, writeRecord } from './recorded-process.ts'

/** Milliseconds between looks at the process, which may be no child of ours. */
const lookEvery = 500
/** Milliseconds that it has to recover its data and serve. */
const startTime = 60_000
/** Milliseconds that it has to end by itself. */
const endGrace = 5_000
/** Bytes; a longer log is moved aside when etcd starts. */
const longestLog = 10 * 1024 * 1024

export interface EmbeddedEtcdOptions {
  /** Holds data/, etcd.log and etcd.pid. */
  readonly directory: string
  readonly addresses: EtcdAddresses
  readonly log: Logger
  /** Ends the supervision, not etcd. */
  readonly signal: AbortSignal
  /** Resolves when etcd answers at its address. */
  readonly probe: () => Promise<unknown>
}

export interface EmbeddedEtcd {
  /** Whether it was there before us. */
  readonly adopted: boolean
  /** Ends etcd, in order, within some seconds. */
  stop(): Promise<void>
}

/**
 * Returns when etcd serves.
 * @throws OverlayError `failed_precondition` when it does not: no program, port
 * in use, or what its log says last.
 */
export async function startEmbeddedEtcd(options: EmbeddedEtcdOptions): Promise<EmbeddedEtcd> {
  const { directory, addresses, log, signal } = options
  const pidFile = join(directory, 'etcd.pid')
  const args = etcdArguments(join(directory, 'data'), addresses)
  makeDirectory(join(directory, 'data'))
  let running = readRecord(pidFile)
  if (running && isRunning(running) && running.args.join('\n') !== args.join('\n')) {
    log.info({ pid: running.pid }, 'etcd is started again with other flags')
    await endProcess(pidFile, running, endGrace)
  }
  const adopted = running !== undefined && isRunning(running)
  if (running && adopted) log.info({ pid: running.pid }, 'etcd adopted')
  else running = await start()
  try {
    await untilServing(running)
  } catch (error) {
    if (!adopted) await endProcess(pidFile, running, endGrace)
    throw error
  }
  void supervise(running)

  async function start(): Promise<ProcessRecord> {
    await refuseForeign(addresses.listen)
    const record = await spawnEtcd(directory, args)
    writeRecord(pidFile, record)
    log.info({ pid: record.pid, listen: addresses.listen.origin, directory }, 'etcd started')
    return record
  }

  async function untilServing(record: ProcessRecord): Promise<void> {
    const deadline = Date.now() + startTime
    for (;;) {
      const answered = await options.probe().then(
        () => true,
        () => false,
      )
      if (!isRunning(record))
        throw new OverlayError('failed_precondition', `etcd ended at once: ${lastWords(directory)}`)
      if (answered) return
      if (signal.aborted || Date.now() > deadline)
        throw new OverlayError(
          'failed_precondition',
          `etcd (process ${record.pid}) runs but does not answer: ${lastWords(directory)}`,
        )
      await pause(50, signal)
    }
  }

  async function supervise(first: ProcessRecord): Promise<void> {
    running = first
    for (let attempt = 0; !signal.aborted; ) {
      await pause(lookEvery, signal)
      if (signal.aborted) return
      if (running && isRunning(running)) {
        attempt = 0
        continue
      }
      log.error({ last: lastWords(directory), attempt }, 'etcd has ended; starting it again')
      await pause(delayBefore(attempt++), signal)
      if (signal.aborted) return
      running = await start().catch((error: unknown) => {
        log.error({ err: error }, 'etcd cannot be started')
        return undefined
      })
    }
  }

  return {
    adopted,
    stop: async () => {
      if (running) await endProcess(pidFile, running, endGrace)
    },
  }
}

/** etcd wants its data to be readable by nobody else. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new OverlayError(
      'failed_precondition',
      `etcd's directory ${path} cannot be made (${(error as Error).message}): name another (--embedded-etcd)`,
      { cause: error },
    )
  }
}

/**
 * Detached, with a file for its output, so that nothing of it hangs on this
 * process. Not by execa, whose children write through pipes to their parent.
 */
async function spawnEtcd(directory: string, args: readonly string[]): Promise<ProcessRecord> {
  const logFile = join(directory, 'etcd.log')
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > longestLog) renameSync(logFile, `${logFile}.1`)
  const output = openSync(logFile, 'a')
  try {
    const child = spawn('etcd', args, { detached: true, stdio: ['ignore', output, output], env: environment() })
    const error = await once(child, 'spawn').then(
      () => undefined,
      (thrown: NodeJS.ErrnoException) => thrown,
    )
    const record = child.pid === undefined ? undefined : recordOf(child.pid, args)
    if (record) return record
    throw startError(error, directory)
  } finally {
    closeSync(output)
  }
}

function startError(error: NodeJS.ErrnoException | undefined, directory: string): OverlayError {
  if (error?.code === 'ENOENT')
    return new OverlayError(
      'failed_precondition',
      'the program etcd is not there: install it (Debian package etcd-server), or name a running etcd (--etcd URLS)',
    )
  return new OverlayError('failed_precondition', `etcd cannot be started: ${error?.message ?? lastWords(directory)}`)
}

/** etcd refuses to start when its own variables contradict its flags. */
function environment(): Record<string, string> {
  const ours = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || (name.startsWith('ETCD_') && name !== 'ETCD_UNSUPPORTED_ARCH') ? [] : [[name, value]],
  )
  return Object.fromEntries(ours)
}

/** Another etcd at our address would answer in the place of ours. */
function refuseForeign(listen: URL): Promise<void> {
  const host = listen.hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new OverlayError(
          'failed_precondition',
          `etcd cannot listen on ${listen.host} (${error.code}): choose another --embedded-etcd-listen, or, if an etcd is there already, name it (--etcd ${listen.origin})`,
        ),
      ),
    )
    server.listen(Number(listen.port), host, () => server.close(() => resolve()))
  })
}

/** The last line of etcd's log that tells an error, and where the rest is. */
function lastWords(directory: string): string {
  const file = join(directory, 'etcd.log')
  try {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-200)
    const telling = lines.findLast((line) => / [CEF] \| |"level":"(error|fatal|panic)"/.test(line)) ?? lines.at(-1)
    return `${telling?.trim() || 'it said nothing'} (see ${file})`
  } catch {
    return `see ${file}`
  }
}
