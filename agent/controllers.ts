/** The controllers that etcd names: who they are, and where they are dialled. */
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { partBelow } from '../store/keys.ts'
import type { Store } from '../store/store.ts'

export interface Controllers {
  /** HOST:PORT by id; empty until the store has told. */
  readonly all: () => ReadonlyMap<string, string>
  /** Told after each change. @returns how to end that. */
  readonly onChange: (listener: () => void) => () => void
}

/** Follows them until the signal aborts. */
export function followControllers(
  store: Pick<Store, 'keys' | 'follow'>,
  signal: AbortSignal,
  log: Logger,
): Controllers {
  const known = new Map<string, string>()
  const listeners = new Set<() => void>()
  const follow = async () => {
    for await (const update of store.follow(store.keys.controllers, signal)) {
      if (update.kind === 'lost') continue
      if (update.kind === 'snapshot') {
        const present = new Set(update.paths.map((path) => partBelow(store.keys.controllers, path)))
        for (const id of known.keys()) if (!present.has(id)) known.delete(id)
        for (const { value } of update.entries) known.set(value.id, value.address)
      } else
        for (const change of update.changes)
          if (change.kind === 'put') known.set(change.entry.value.id, change.entry.value.address)
          else known.delete(partBelow(store.keys.controllers, change.path) ?? '')
      for (const listener of listeners) listener()
    }
  }
  follow().catch((error: unknown) => log.error({ err: error }, 'controllers are followed no more'))
  return {
    all: () => known,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/**
 * Keeps their addresses in a file, one a line, for whoever on this host looks for
 * a controller. When all are gone, those that were there last stay in it.
 */
export function writeControllers(controllers: Controllers, file: string, log: Logger): void {
  let written = ''
  const write = () => {
    const addresses = [...new Set(controllers.all().values())].toSorted()
    const content = addresses.map((address) => `${address}\n`).join('')
    if (content === '' || content === written) return
    try {
      // Whoever may write in this directory must not lead us to another file by a link.
      rmSync(`${file}.new`, { force: true })
      writeFileSync(`${file}.new`, content, { flag: 'wx' })
      // For everybody who gets into the directory, whatever the umask.
      chmodSync(`${file}.new`, 0o644)
      renameSync(`${file}.new`, file)
      written = content
    } catch (error) {
      log.warn({ err: OverlayError.from(error), file }, 'the addresses of the controllers could not be written down')
    }
  }
  controllers.onChange(write)
  write()
}
