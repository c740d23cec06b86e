/** Janitors that stand for the office in tests of evictions, in short times. */
import { Controller } from '../../proto/index.ts'
import { put, type Store, type Transaction } from '../../store/store.ts'
import { registerNode, silent } from '../cluster-for-tests.ts'
import { janitor } from '../janitor.ts'
import type { EvictUnreachableOptions } from './evict-unreachable.ts'

/** A tenth of a second between looks. */
const quick = { grace: 500, isConnected: () => false, interval: 100, margin: 0 }

interface Standing {
  readonly id?: string
  readonly unreachable?: Partial<EvictUnreachableOptions>
  readonly ttlSeconds?: number
}

/** Stands for the office. @returns how to end that. */
export function stand(store: Store, { id = 'c1', unreachable, ttlSeconds = 1 }: Standing = {}): () => Promise<void> {
  const ending = new AbortController()
  const work = janitor(store, {
    candidate: Controller.create({ id, address: id }),
    signal: ending.signal,
    log: silent,
    grace: 1,
    unreachable: { ...quick, ...unreachable },
    ttlSeconds,
  })
  return async () => {
    ending.abort()
    await work
  }
}

/** Nodes whose sessions outlive their agents by a second. */
export async function register(store: Store, ...nodes: string[]): Promise<void> {
  for (const node of nodes) {
    await registerNode(store, node)
    const entry = await store.get(store.keys.node(node))
    if (!entry) throw new Error('not registered')
    await store.commit({ compares: [], writes: [put(store.keys.node(node), { ...entry.value, sessionTtl: 1 })] })
  }
}

export async function isThere(store: Store, node: string): Promise<boolean> {
  return (await store.get(store.keys.node(node))) !== undefined
}

export async function leader(store: Store): Promise<string | undefined> {
  return (await store.get(store.keys.leader('janitor')))?.value.id
}

/** Whether it takes a node's record away. */
export function removes(store: Store, node: string, { writes }: Transaction): boolean {
  return writes.some((write) => write.do === 'delete' && write.path === store.keys.node(node).path)
}

/** How often the janitor has looked, or tried to: it asks first whether the store takes writes. */
export function counted(store: Store): { readonly store: Store; readonly looks: () => number } {
  let looks = 0
  return {
    store: {
      ...store,
      requireRoom: () => {
        looks++
        return store.requireRoom()
      },
    },
    looks: () => looks,
  }
}
