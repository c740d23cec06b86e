/** A real etcd in the lab. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createDaemon, type Daemon } from './daemon.ts'
import type { Netns } from './netns.ts'

export interface EtcdSpec {
  readonly netns: Netns
  /** The lab's directory; data and log are below `ctl` in it. */
  readonly directory: string
  /** The address that clients in the lab use. */
  readonly address: string
  /** Also of the files; default `etcd`. */
  readonly name?: string
  /** Of clients; that of peers is one more. Default 2379. */
  readonly port?: number
  /** All members of its cluster, itself among them; default: it is alone. */
  readonly cluster?: readonly EtcdMember[]
}

export interface EtcdMember {
  readonly name: string
  /** Where the others reach it. */
  readonly address: string
}

export interface Etcd extends Daemon {
  /** For example http://192.168.200.254:2379. */
  readonly url: string
  /** Runs etcdctl (API 3) against it. @throws Error with what it says. */
  etcdctl(...args: readonly string[]): Promise<string>
  /** Writes a snapshot of what it holds to a file. */
  save(file: string): Promise<void>
  /** Makes a snapshot its content, in place of what it has. It must not be running. */
  restore(file: string): Promise<void>
  /** Removes what it holds. It must not be running. */
  wipe(): Promise<void>
}

export function createEtcd({ netns, directory, address, name = 'etcd', port = 2379, cluster }: EtcdSpec): Etcd {
  const home = join(directory, 'ctl')
  mkdirSync(home, { recursive: true })
  const data = join(home, `${name}-data`)
  const url = `http://${address}:${port}`
  const peerOf = (host: string) => `http://${host}:${port + 1}`
  // One that is alone has nobody to be reached by.
  const peer = peerOf(cluster ? address : '127.0.0.1')
  const initial = (cluster ?? [{ name, address: '127.0.0.1' }]).map((one) => `${one.name}=${peerOf(one.address)}`)
  const env = { ETCDCTL_API: '3', ...(process.arch === 'x64' ? {} : { ETCD_UNSUPPORTED_ARCH: process.arch }) }
  const etcdctl = (...args: readonly string[]) =>
    netns.exec(['etcdctl', `--endpoints=${url}`, '--dial-timeout=2s', ...args], { env, timeout: 30_000 })
  const membership = [`--name=${name}`, `--initial-cluster=${initial.join()}`, `--initial-advertise-peer-urls=${peer}`]
  const daemon = createDaemon({
    name,
    netns,
    directory,
    log: join(home, `${name}.log`),
    env,
    port,
    command: () => [
      'etcd',
      ...membership,
      `--data-dir=${data}`,
      `--listen-client-urls=${url},http://127.0.0.1:${port}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peer}`,
    ],
    ready: async () => (await etcdctl('endpoint', 'health')) !== undefined,
  })
  const stopped = (to: string) => {
    if (daemon.running) throw new Error(`${name} is running: stop it to ${to} its content`)
  }
  const wipe = async () => {
    stopped('wipe')
    await netns.exec(['rm', '-rf', data])
  }
  return Object.assign(daemon, {
    url,
    etcdctl,
    wipe,
    save: async (file: string) => void (await etcdctl('snapshot', 'save', file)),
    async restore(file: string) {
      await wipe()
      await netns.exec(['etcdctl', 'snapshot', 'restore', file, `--data-dir=${data}`, ...membership], { env })
    },
  })
}
