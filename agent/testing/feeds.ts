/** A store whose follows tell what a test says, and records to tell of. */
import { vi } from 'vitest'
import { Endpoint, type Init, Network, Node } from '../../proto/index.ts'
import { createKeys } from '../../store/keys.ts'
import type { Entry, Key, Range, Store, Update } from '../../store/store.ts'
import { bootId, idOf } from './views.ts'

export const keys = createKeys('/t/')

/** A store whose follows tell what the test says. */
export function feeds() {
  const listeners = new Map<string, (update: Update<unknown>) => void>()
  const store = {
    keys,
    async *follow<T>({ prefix }: Range<T>, signal: AbortSignal): AsyncGenerator<Update<T>> {
      const waiting: Update<T>[] = []
      let wake = () => {}
      listeners.set(prefix, (update) => {
        waiting.push(update as Update<T>)
        wake()
      })
      signal.addEventListener('abort', () => wake())
      while (!signal.aborted) {
        const update = waiting.shift()
        if (update) yield update
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  } as unknown as Store
  const tell = async (prefix: string, update: Update<unknown>) => {
    await vi.waitUntil(() => listeners.has(prefix), { interval: 1 })
    listeners.get(prefix)?.(update)
    for (let n = 0; n < 5; n++) await new Promise(setImmediate)
  }
  return { store, tell }
}

/** The store's revision. */
let now = 0
export const revision = (): number => now

function entry<T>({ path, type }: Key<T>, value: Init<T>, createRevision = now + 1): Entry<T> {
  return { path, value: type?.create(value) as T, json: {}, createRevision, modRevision: ++now }
}
export const nodeEntry = (n: number, vtepAddress = `192.0.2.${n}`) =>
  entry(keys.node(`host-${n}`), Node.create({ name: `host-${n}`, vtepAddress }))
export const webEntry = (vni = 7, wish: Init<Network> = {}) =>
  entry(keys.network('web'), {
    name: 'web',
    uid: 'u',
    vni,
    mtu: 1400,
    subnets: [{ cidr: '10.0.9.0/24', gateway: '10.0.9.1' }],
    ...wish,
  })
export const endpointEntry = (digits: string, wish: Init<Endpoint> = {}, createRevision?: number) =>
  entry(
    keys.endpoint('web', idOf(digits)),
    Endpoint.create({
      id: idOf(digits),
      network: 'web',
      node: 'host-1',
      mac: `02:00:00:00:00:${digits}`,
      addresses: [`10.0.9.${Number.parseInt(digits, 16)}`],
      ifname: 'eth0',
      sandbox: { kind: 'NAMESPACE', bootId, cookie: '1', path: '/c' },
      ...wish,
    }),
    createRevision,
  )

/** `unreadable`: paths of records that are there, but cannot be read. */
export const snapshot = (
  entries: readonly Entry<unknown>[],
  historyBroken = false,
  unreadable: readonly string[] = [],
): Update<unknown> => {
  const paths = [...entries.map(({ path }) => path), ...unreadable]
  return { kind: 'snapshot', entries, paths, revision: ++now, historyBroken }
}
export const put = (one: Entry<unknown>): Update<unknown> => {
  return { kind: 'changes', changes: [{ kind: 'put', entry: one }], revision: one.modRevision }
}
export const gone = ({ path }: Key<unknown>): Update<unknown> => {
  return { kind: 'changes', changes: [{ kind: 'delete', path, modRevision: ++now }], revision: now }
}
