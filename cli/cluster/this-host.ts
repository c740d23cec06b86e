/** Host: this machine. */
import { createHash } from 'node:crypto'
import { accessSync, constants, createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { homedir, hostname, networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import type { EtcdAccess, FileAccess, Host, HostAddress, Outcome, RunOptions } from './host.ts'

/** Documentation addresses (RFC 5737, RFC 3849): nothing is sent to them, the kernel is asked for the way only. */
const outside = ['192.0.2.1', '2001:db8::1']
/** Milliseconds that etcd has to say how it is. */
const etcdPatience = 2_000
/** Milliseconds after which whoever made a lock is given up. */
const lockLife = 60_000

export const thisHost: Host = {
  ports: { controller: 4780, etcdClient: 2379, etcdPeer: 2380 },
  isRoot: () => process.geteuid?.() === 0,
  home: () => homedir() || undefined,
  hostname,
  addresses,
  defaultSource,
  listener,
  exists: existsSync,
  read: (path) => readFileSync(path),
  write,
  async replacePair(files, content) {
    const { replacePair } = await import('../../lib/pki/replace-files.ts')
    replacePair(files, content)
  },
  async replaceFile(path, content, mode) {
    const { replaceFile } = await import('../../lib/pki/replace-files.ts')
    replaceFile(path, content, mode)
  },
  alone,
  writePieces,
  digest,
  async makeDirectory(path, access) {
    await mkdir(path, { recursive: true })
    await give(path, access)
  },
  list: (directory) => (existsSync(directory) ? readdirSync(directory) : []),
  rename,
  remove: (path) => rm(path, { recursive: true, force: true }),
  canWrite,
  makeTemporary: (directory) => mkdtemp(join(directory, '.overlayctl-')),
  knows: async (database, name) => (await run('getent', [database, name])).code === 0,
  run,
  etcdIsWell,
}

function addresses(): readonly HostAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
    all
      .filter(({ internal, address, scopeid }) => !internal && !scopeid && !address.startsWith('169.254.'))
      .map(({ address }) => ({ interface: name, address })),
  )
}

async function defaultSource(): Promise<string | undefined> {
  for (const address of outside) {
    const { code, stdout } = await run('ip', ['-j', 'route', 'get', address])
    if (code !== 0) continue
    const [route] = JSON.parse(stdout) as { prefsrc?: string }[]
    if (route?.prefsrc) return route.prefsrc
  }
  return undefined
}

async function listener(port: number): Promise<{ program: string } | undefined> {
  const { stdout } = await run('ss', ['-H', '-lntp', `sport = :${port}`])
  if (stdout.trim() === '') return undefined
  return { program: /users:\(\("([^"]+)"/.exec(stdout)?.[1] ?? '' }
}

/** A crash leaves the old file or the new one. */
async function write(path: string, content: string | Uint8Array, access: FileAccess): Promise<void> {
  const temporary = join(dirname(path), `.${process.pid}.${Math.random().toString(36).slice(2)}.new`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await give(temporary, access)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function alone<T>(lock: string, work: () => Promise<T>): Promise<T | undefined> {
  // Who was killed at it has left the file.
  const { mtimeMs = 0 } = statSync(lock, { throwIfNoEntry: false }) ?? {}
  if (mtimeMs < Date.now() - lockLife) await rm(lock, { force: true })
  try {
    await writeFile(lock, '', { flag: 'wx', mode: 0o600 })
  } catch {
    return undefined
  }
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

async function writePieces(path: string, pieces: AsyncIterable<Uint8Array>, access: FileAccess): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const piece of pieces) await file.writeFile(piece)
    await file.sync()
  } finally {
    await file.close()
  }
  await give(path, access)
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return hash.digest('hex')
}

async function give(path: string, { mode, user, group }: FileAccess): Promise<void> {
  if (user !== undefined || group !== undefined) {
    const { code, stderr } = await run('chown', [`${user ?? ''}:${group ?? ''}`, path])
    if (code !== 0) throw new OverlayError('failed_precondition', `cannot give ${path} to its user: ${stderr.trim()}`)
  }
  await chmod(path, mode)
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

async function run(program: string, args: readonly string[], { env = {}, signal }: RunOptions = {}): Promise<Outcome> {
  const { execa } = await import('execa')
  const { exitCode, stdout, stderr, code, shortMessage } = await execa(program, [...args], {
    reject: false,
    stdin: 'ignore',
    // In a session of its own, so that Ctrl-C ends overlayctl's work in its order.
    detached: true,
    env: { ...env, LC_ALL: 'C.UTF-8' },
    ...(signal && { cancelSignal: signal }),
  })
  if (exitCode === undefined)
    return { code: code === 'ENOENT' ? 127 : 1, stdout, stderr: stderr || (shortMessage ?? '') }
  return { code: exitCode, stdout, stderr }
}

async function etcdIsWell(url: string, access: EtcdAccess): Promise<boolean> {
  const { get } = await import('node:https')
  return new Promise((resolve) => {
    const request = get(new URL('/health', url), { ...access, agent: false, timeout: etcdPatience }, (response) => {
      let text = ''
      response.on('data', (piece) => (text += String(piece)))
      response.on('end', () => resolve(/"health":\s*"?true/.test(text)))
      response.on('error', () => resolve(false))
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })
}
