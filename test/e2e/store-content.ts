/** What is in etcd, read with etcdctl: not through the code under test. */
import type { Etcd } from '../lab/etcd.ts'

/** The keys of a cluster that was started without --prefix. */
export const storePrefix = '/overlay/v1/'

export interface StoredKey {
  /** Below the prefix, for example `nodes/h1`. */
  readonly path: string
  readonly value: Readonly<Record<string, unknown>>
  readonly createRevision: number
  readonly modRevision: number
}

interface EtcdctlOutput {
  readonly kvs?: readonly {
    readonly key: string
    readonly value?: string
    readonly create_revision: number
    readonly mod_revision: number
  }[]
}

/** All keys that begin with `path`, below the prefix. */
export async function keysBelow(etcd: Etcd, path = '', prefix = storePrefix): Promise<readonly StoredKey[]> {
  const { kvs = [] } = JSON.parse(await etcd.etcdctl('get', '--prefix', prefix + path, '-w', 'json')) as EtcdctlOutput
  return kvs.map(({ key, value, create_revision, mod_revision }) => {
    const text = decode(value)
    return {
      path: decode(key).slice(prefix.length),
      value: text === '' ? {} : (JSON.parse(text) as StoredKey['value']),
      createRevision: create_revision,
      modRevision: mod_revision,
    }
  })
}

/** One key. @throws Error when it is not there. */
export async function storedKey(etcd: Etcd, path: string): Promise<StoredKey> {
  const found = (await keysBelow(etcd, path)).find((key) => key.path === path)
  if (found) return found
  throw new Error(`the store has no ${path}`)
}

function decode(base64 = ''): string {
  return Buffer.from(base64, 'base64').toString()
}
