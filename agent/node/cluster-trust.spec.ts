import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { createKeys } from '../../store/keys.ts'
import type { Store } from '../../store/store.ts'
import { createGuard } from '../guard.ts'
import { examineStore } from './cluster-trust.ts'
import type { Memory, StateDir } from './state-dir.ts'

interface Found {
  readonly uid?: string
  readonly revision: number
}

/** A node with this memory; `examine` compares it with what is in the store. */
function nodeWith(before: Memory | undefined) {
  let memory = before
  const guard = createGuard(pino({ level: 'silent' }), () => undefined)
  const stateDir = {
    path: '/state',
    readMemory: () => memory,
    writeMemory: (content: Memory) => {
      memory = content
    },
  } as StateDir
  const examine = async ({ uid, revision }: Found, accept = false) => {
    const store = {
      urls: ['http://etcd:2379'],
      keys: createKeys('/t/'),
      get: async () => (uid === undefined ? undefined : { value: { uid } }),
      probe: async () => ({ revision, milliseconds: 1 }),
    } as unknown as Store
    return examineStore({ store, stateDir, guard, node: 'h1', accept })
  }
  return { guard, examine, memory: () => memory }
}

const memory: Memory = { clusterUid: 'c1', revision: 100, generation: 3 }
const at = 'the store at http://etcd:2379 under /t/'
const wayOut =
  'if this node is to leave its cluster, detach its endpoints, stop the agent, remove /state/cluster.json and start it again'
const resync =
  'if that is meant to be so, run "overlayctl node resync h1": what lives on this host and was lost is then written back'

describe('examineStore', () => {
  it.each<[string, Memory | undefined, Found]>([
    ['a node’s first store, whatever it is', undefined, { uid: 'c9', revision: 5 }],
    ['its own store', memory, { uid: 'c1', revision: 101 }],
    ['its own store, where nothing happened', memory, { uid: 'c1', revision: 100 }],
  ])('trusts %s', async (_, before, found) => {
    const { guard, examine, memory } = nodeWith(before)
    expect(await examine(found)).toBe(found.uid)
    expect(guard.reason()).toBeUndefined()
    expect(memory()).toEqual(before)
  })

  it('waits for a controller where there is no cluster yet, without a doubt', async () => {
    const { guard, examine } = nodeWith(undefined)
    await expect(examine({ revision: 1 })).rejects.toMatchObject({
      code: 'unavailable',
      message: `${at} holds no cluster yet: start an overlay-controller with this etcd and prefix`,
    })
    expect(guard.reason()).toBeUndefined()
  })

  it.each<[string, Found, string]>([
    [
      'an empty store',
      { revision: 1 },
      `${at} holds no cluster, but this node belongs to cluster c1: check --etcd and --prefix; ${wayOut}`,
    ],
    [
      'another cluster’s',
      { uid: 'c2', revision: 500 },
      `${at} is that of cluster c2, but this node belongs to cluster c1: check --etcd and --prefix; ${wayOut}`,
    ],
    [
      'an older one',
      { uid: 'c1', revision: 99 },
      `${at} is at revision 99, but this node has seen 100: it was restored from an older state; ${resync}`,
    ],
  ])('doubts %s', async (_, found, reason) => {
    const { guard, examine } = nodeWith(memory)
    expect(await examine(found)).toBeUndefined()
    expect(guard.reason()).toBe(reason)
  })

  it('once the store went back, it stays in doubt, also after a restart', async () => {
    const first = nodeWith(memory)
    await first.examine({ uid: 'c1', revision: 99 })
    const doubt = first.guard.reason()
    expect(first.memory()).toEqual({ ...memory, doubt, wentBackTo: 99 })
    expect(await first.examine({ uid: 'c1', revision: 5_000 })).toBeUndefined()
    const second = nodeWith(first.memory())
    expect(await second.examine({ uid: 'c1', revision: 6_000 })).toBeUndefined()
    expect(second.guard.reason()).toBe(doubt)
  })

  it('believes it all the same when it is told to, without forgetting the doubt', async () => {
    const { guard, examine, memory: now } = nodeWith(memory)
    expect(await examine({ uid: 'c1', revision: 99 }, true)).toBe('c1')
    expect(guard.reason()).toBeUndefined()
    expect(now()).toMatchObject({ revision: 100, doubt: expect.stringContaining('older state'), wentBackTo: 99 })
    expect(await examine({ uid: 'c1', revision: 99 })).toBeUndefined()
    expect(await examine({ uid: 'c2', revision: 99 }, true)).toBeUndefined()
    expect(guard.isForeign()).toBe(true)
  })

  it('the right store ends the doubt that another one raised', async () => {
    const { guard, examine, memory: now } = nodeWith(memory)
    await examine({ revision: 1 })
    await examine({ uid: 'c2', revision: 7 })
    expect(await examine({ uid: 'c1', revision: 100 })).toBe('c1')
    expect(guard.reason()).toBeUndefined()
    expect(now()).toEqual(memory)
  })
})
