/**
 * Replaces files of TLS so that a crash, or a power cut, at any moment leaves
 * what can be used: the former pair of certificate and key, or the new one.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

export interface PairFiles {
  readonly cert: string
  readonly key: string
}

const successor = (file: string) => `${file}.new`

/** Puts `content` in the place of what the file holds, on the disk when this returns. `mode`: who may read it. */
export function replaceFile(file: string, content: string, mode = 0o600): void {
  writeSuccessor(file, content, mode)
  renameSync(successor(file), file)
  flushDirectory(file)
}

/**
 * The same for a certificate and its key. Both are on the disk before the first
 * takes its place; who is cut short between the two finds the second beside it
 * (see `settlePair`). Within one process nobody sees them apart.
 */
export function replacePair(files: PairFiles, content: PairFiles, mode = 0o600): void {
  writeSuccessor(files.cert, content.cert, mode)
  writeSuccessor(files.key, content.key, mode)
  flushDirectory(files.cert)
  renameSync(successor(files.key), files.key)
  renameSync(successor(files.cert), files.cert)
  flushDirectory(files.cert)
}

/**
 * Ends a replacement that was cut short: to be called before the files are read
 * first. Where the pair fits, or there is nothing to end, all stays as it is.
 */
export function settlePair({ cert, key }: PairFiles): void {
  if (isPair(cert, key)) return
  // The disk may have kept either of the two renames.
  const late = isPair(successor(cert), key) ? cert : isPair(cert, successor(key)) ? key : undefined
  if (late === undefined) return
  renameSync(successor(late), late)
  flushDirectory(late)
}

/** Whether both can be read, and the key is the certificate's. */
function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(readFileSync(cert)).checkPrivateKey(createPrivateKey(readFileSync(key)))
  } catch {
    return false
  }
}

function writeSuccessor(file: string, content: string, mode: number): void {
  // What a former run has left may be open to others.
  rmSync(successor(file), { force: true })
  writeFileSync(successor(file), content, { mode, flag: 'wx', flush: true })
  // Whatever the process' mask says: etcd reads what a controller has written.
  chmodSync(successor(file), mode)
  keepOwner(file)
}

/** Whose file it is, and whose group's, stays. */
function keepOwner(file: string): void {
  const old = statSync(file, { throwIfNoEntry: false })
  const { uid, gid } = statSync(successor(file))
  if (old && (old.uid !== uid || old.gid !== gid)) chownSync(successor(file), old.uid, old.gid)
}

function flushDirectory(file: string): void {
  const directory = openSync(dirname(file), 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
