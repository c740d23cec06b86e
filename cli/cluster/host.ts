/** What overlayctl does to the host that it runs on, so that specs put another one there. */
import type { PairFiles } from '../../lib/pki/replace-files.ts'

/** An address of an interface of this host. */
export interface HostAddress {
  readonly interface: string
  readonly address: string
}

export interface Owner {
  readonly user: string
  readonly group: string
}

export interface FileAccess extends Partial<Owner> {
  /** As chmod takes it, for example 0o600. */
  readonly mode: number
}

export interface Outcome {
  /** Exit code; 127 when there is no such program. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Ends the program. */
  readonly signal?: AbortSignal
}

/** Certificates for a question to etcd: PEM. */
export interface EtcdAccess {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface Host {
  /** Where each program of a control plane listens: TCP. */
  readonly ports: { readonly controller: number; readonly etcdClient: number; readonly etcdPeer: number }
  isRoot(): boolean
  /** The directory of the person who runs overlayctl. */
  home(): string | undefined
  hostname(): string
  /** Of all interfaces that are up, loopback left out; none of link scope. */
  addresses(): readonly HostAddress[]
  /** Where packets to an address outside would come from; undefined without a default route. */
  defaultSource(): Promise<string | undefined>
  /** Whether somebody listens on this TCP port, on any address; who, where that can be told. */
  listener(port: number): Promise<{ readonly program: string } | undefined>
  exists(path: string): boolean
  /** @throws the system's error (ENOENT, EACCES …). */
  read(path: string): Buffer
  /** Puts the whole file in place at once, its directory being there. */
  write(path: string, content: string | Uint8Array, access: FileAccess): Promise<void>
  /** Puts a certificate and its key in the place of others, for their owner only: see lib/pki/replace-files.ts. */
  replacePair(files: PairFiles, content: PairFiles): Promise<void>
  /** Puts the whole file in the place of one that is there; whose it is stays. */
  replaceFile(path: string, content: string, mode: number): Promise<void>
  /** Does the work unless another overlayctl is at it; undefined then. `lock`: a file that says so meanwhile. */
  alone<T>(lock: string, work: () => Promise<T>): Promise<T | undefined>
  /** As write, of what comes in pieces, in place before the last of them has come. */
  writePieces(path: string, pieces: AsyncIterable<Uint8Array>, access: FileAccess): Promise<void>
  /** SHA-256 of a file of any length, hexadecimal. */
  digest(path: string): Promise<string>
  /** With those above it. One that is there gets this owner and mode. */
  makeDirectory(path: string, access: FileAccess): Promise<void>
  list(directory: string): readonly string[]
  rename(from: string, to: string): Promise<void>
  /** With all below it; nothing when it is not there. */
  remove(path: string): Promise<void>
  canWrite(path: string): boolean
  /** A directory of one's own below this one, for what is there for a moment; to be removed by the caller. */
  makeTemporary(directory: string): Promise<string>
  /** Whether getent knows this user or group. */
  knows(database: 'passwd' | 'group', name: string): Promise<boolean>
  /** Runs a program to its end; never throws because of its exit code. */
  readonly run: (program: string, args: readonly string[], options?: RunOptions) => Promise<Outcome>
  /** Whether the member of etcd at this URL answers, and says that it is well. */
  etcdIsWell(url: string, access: EtcdAccess): Promise<boolean>
}
