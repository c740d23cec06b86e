/** For specs: a host in memory. */
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import type { FileAccess, Host, HostAddress, Outcome } from '../cluster/host.ts'

export interface FakeFile {
  readonly content: Buffer
  readonly access: FileAccess
}

export interface FakeHost extends Host {
  /** Specs put another one there. */
  run: Host['run']
  readonly files: Map<string, FakeFile>
  readonly directories: Map<string, FileAccess>
  /** Each program that was run, with its arguments. */
  readonly ran: string[]
  /** As `systemctl` left them. */
  readonly running: Set<string>
  readonly enabled: Set<string>
  /** The same text at the same time: path and mode of each file, by path. */
  listing(): readonly string[]
}

export interface FakeHostOptions {
  readonly root?: boolean
  readonly systemd?: boolean
  readonly package?: boolean
  readonly hostname?: string
  readonly addresses?: readonly HostAddress[]
  readonly defaultSource?: string | undefined
  readonly listeners?: { readonly [port: number]: string }
  readonly ports?: Partial<Host['ports']>
  readonly files?: { readonly [path: string]: string | Buffer }
  /** What a program answers instead. */
  readonly answer?: (host: FakeHost, program: string, args: readonly string[]) => Partial<Outcome> | undefined
}

/** Looks like a fresh host with the package; systemctl starts and stops at once. */
export function createFakeHost(options: FakeHostOptions = {}): FakeHost {
  const { root = true, systemd = true, addresses = [{ interface: 'eth0', address: '192.0.2.10' }] } = options
  const files = new Map<string, FakeFile>()
  const directories = new Map<string, FileAccess>()
  const put = (path: string, content: string | Uint8Array, access: FileAccess) =>
    void files.set(path, { content: Buffer.from(content as Uint8Array), access })
  for (const [path, content] of Object.entries(options.files ?? {})) put(path, Buffer.from(content), { mode: 0o644 })
  const below = (path: string) => [...files.keys()].filter((each) => each === path || each.startsWith(`${path}/`))
  const host: FakeHost = {
    files,
    directories,
    ran: [],
    running: new Set(),
    enabled: new Set(),
    listing: () => [...files].map(([path, { access }]) => `${path} ${accessText(access)}`).toSorted(),
    ports: { controller: 4780, etcdClient: 2379, etcdPeer: 2380, ...options.ports },
    isRoot: () => root,
    home: () => '/home/anna',
    hostname: () => options.hostname ?? 'host1',
    addresses: () => addresses,
    defaultSource: async () => ('defaultSource' in options ? options.defaultSource : '192.0.2.10'),
    async listener(port) {
      const program = options.listeners?.[port]
      return program === undefined ? undefined : { program }
    },
    exists: (path) =>
      path === '/run/systemd/system' ? systemd : path === '/root' || directories.has(path) || below(path).length > 0,
    read(path) {
      const file = files.get(path)
      if (!file) throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' })
      return file.content
    },
    write: async (path, content, access) => put(path, content, access),
    async replacePair(pair, content) {
      put(pair.key, content.key, { mode: 0o600 })
      put(pair.cert, content.cert, { mode: 0o600 })
    },
    replaceFile: async (path, content, mode) => put(path, content, { mode }),
    alone: (_, work) => work(),
    async writePieces(path, pieces, access) {
      const all: Uint8Array[] = []
      for await (const piece of pieces) all.push(piece)
      put(path, Buffer.concat(all), access)
    },
    digest: async (path) => createHash('sha256').update(host.read(path)).digest('hex'),
    makeDirectory: async (path, access) => void directories.set(path, access),
    list: (directory) => below(directory).map((path) => path.slice(directory.length + 1)),
    async rename(from, to) {
      for (const path of below(from)) {
        const file = files.get(path)
        if (file) files.set(to + path.slice(from.length), file)
        files.delete(path)
      }
      for (const path of directories.keys()) if (path === from || path.startsWith(`${from}/`)) directories.delete(path)
    },
    async remove(path) {
      for (const each of below(path)) files.delete(each)
      for (const each of directories.keys()) if (each === path || each.startsWith(`${path}/`)) directories.delete(each)
    },
    canWrite: (path) => host.exists(path) || host.exists(dirname(path)),
    makeTemporary: async (directory) => `${directory}/.temporary`,
    knows: async () => options.package ?? true,
    async run(program, args) {
      host.ran.push([program, ...args].join(' '))
      const answer = options.answer?.(host, program, args)
      if (answer) return { code: 0, stdout: '', stderr: '', ...answer }
      return { code: 0, stdout: '', stderr: '', ...(program === 'systemctl' && systemctl(host, args, options)) }
    },
    etcdIsWell: async () => host.running.has('overlay-etcd.service'),
  }
  return host
}

function systemctl(host: FakeHost, args: readonly string[], { package: installed = true }: FakeHostOptions) {
  const [verb] = args
  const unit = args.at(-1) ?? ''
  if (verb === 'cat') return { code: installed ? 0 : 1 }
  if (verb === 'enable') host.enabled.add(unit)
  if (verb === 'restart' || verb === 'start') host.running.add(unit)
  if (verb === 'stop' || verb === 'disable') host.running.delete(unit)
  if (verb === 'disable') host.enabled.delete(unit)
  if (verb === 'is-active') return { code: 0, stdout: host.running.has(unit) ? 'active\n' : 'inactive\n' }
  return {}
}

function accessText({ mode, user, group }: FileAccess): string {
  const owner = user === undefined && group === undefined ? '' : ` ${user ?? ''}:${group ?? ''}`
  return `0${mode.toString(8)}${owner}`
}
