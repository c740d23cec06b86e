import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createRpcClient } from '../../lib/rpc-client.ts'
import { clientCredentials } from '../../lib/tls.ts'
import { ClustersService, NetworksService } from '../../proto/index.ts'
import { startEtcd } from '../../store/etcd-for-tests.ts'
import { until } from '../cluster-for-tests.ts'
import { endProcess, isRunning, readRecord } from './recorded-process.ts'

let directory: string
let started: ChildProcess[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-embedded-'))
  started = []
})
afterEach(async () => {
  for (const child of started) child.kill('SIGKILL')
  const pidFile = join(directory, 'etcd.pid')
  const left = readRecord(pidFile)
  if (left) await endProcess(pidFile, left, 0)
  rmSync(directory, { recursive: true, force: true })
})

/** Runs the real program; its logs are lines of JSON. */
function controller(flags: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const main = join(import.meta.dirname, '../main.ts')
  const args = ['--import', 'tsx', main, '--embedded-etcd', directory, ...flags]
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'pipe'] })
  started.push(child)
  let output = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    ended,
    output: () => output,
    said: (message: string) => until(message, () => output.includes(`"msg":"${message}"`)),
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function onFreePorts() {
  const [etcd, api] = [await freePort(), await freePort()]
  const flags = ['--embedded-etcd-listen', `http://127.0.0.1:${etcd}`, '--listen', `127.0.0.1:${api}`]
  const client = createRpcClient({
    address: `127.0.0.1:${api}`,
    credentials: clientCredentials(undefined),
    timeout: 5_000,
  })
  return { flags, client }
}

const etcdRecord = () => readRecord(join(directory, 'etcd.pid'))

it('outlives a killed controller, is adopted by the next, and ends with it', async () => {
  const { flags, client } = await onFreePorts()
  const first = controller(flags)
  await first.said('ready')
  await client.service(NetworksService).create({ name: 'web', mtu: 1450 })
  const etcd = etcdRecord()
  first.kill('SIGKILL')
  await first.ended
  const second = controller(flags)
  await second.said('ready')
  await second.said('etcd adopted')
  expect(etcdRecord()).toEqual(etcd)
  expect((await client.service(NetworksService).get({ name: 'web' })).name).toBe('web')
  client.close()
  second.kill('SIGTERM')
  expect(await second.ended).toBe(0)
  expect(etcd && isRunning(etcd)).toBe(false)
  expect(existsSync(join(directory, 'etcd.pid'))).toBe(false)
})

it('is started again when it dies', async () => {
  const { flags, client } = await onFreePorts()
  const only = controller(flags)
  await only.said('ready')
  const before = etcdRecord()
  if (!before) throw new Error('no record of etcd')
  process.kill(before.pid, 'SIGKILL')
  await until('another etcd', () => (etcdRecord()?.pid ?? before.pid) !== before.pid)
  const clusters = client.service(ClustersService)
  await until('the store', async () => (await clusters.getStatus({})).store?.healthy === true)
  expect(only.output()).toContain('etcd has ended; starting it again')
  client.close()
})

it('says what is missing, or in the way', async () => {
  const { flags, client } = await onFreePorts()
  client.close()
  const without = controller(flags, { ...process.env, PATH: directory })
  expect(await without.ended).toBe(1)
  expect(without.output()).toContain('the program etcd is not there: install it (Debian package etcd-server)')
  await using foreign = await startEtcd()
  const beside = controller(['--embedded-etcd-listen', foreign.url, ...flags.slice(2)])
  expect(await beside.ended).toBe(1)
  expect(beside.output()).toContain(`etcd cannot listen on ${new URL(foreign.url).host} (EADDRINUSE)`)
  expect(beside.output()).toContain(`name it (--etcd ${foreign.url})`)
})

it('says what etcd said when it cannot run', async () => {
  const { flags, client } = await onFreePorts()
  client.close()
  mkdirSync(join(directory, 'data'))
  writeFileSync(join(directory, 'data', 'member'), 'this is no directory')
  const only = controller(flags)
  expect(await only.ended).toBe(1)
  expect(only.output()).toMatch(/overlay-controller: etcd ended at once: .+ \(see .*etcd.log\)\n/)
  expect(readFileSync(join(directory, 'etcd.log'), 'utf8')).not.toBe('')
})
