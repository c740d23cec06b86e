import { it } from 'vitest'
import { Controller } from '../proto/index.ts'
import { connect } from '../store/connect.ts'
import { startProxy } from '../store/proxy-for-tests.ts'
import type { Store } from '../store/store.ts'
import { neverEvicts, silent, testStores, until } from './cluster-for-tests.ts'
import { janitor } from './janitor.ts'

const leader = async (store: Store) => (await store.get(store.keys.leader('janitor')))?.value.id

/** `until` waits ten seconds, which is what is promised. */
it('moves within ten seconds when its holder is cut off, as one that is killed or stopped', async () => {
  await using stores = await testStores()
  const [store] = stores.open()
  const proxy = await startProxy(stores.etcd.url)
  const cutOff = connect({ urls: [proxy.url], prefix: store.keys.prefix, log: silent })
  const ending = new AbortController()
  const stand = (id: string, its: Store) =>
    janitor(its, {
      candidate: Controller.create({ id, address: id }),
      signal: ending.signal,
      log: silent,
      unreachable: neverEvicts,
    })
  const standing = [stand('first', cutOff)]
  try {
    await until('a janitor', async () => (await leader(store)) === 'first')
    standing.push(stand('second', store))
    proxy.stall()
    await until('the office to move', async () => (await leader(store)) === 'second')
    await proxy.restore()
    // It knows by its own clock that its term is over, and stands again behind the other.
    await until('the first to see it', async () => (await leader(cutOff).catch(() => undefined)) === 'second')
  } finally {
    ending.abort()
    await Promise.all(standing)
    await cutOff.close()
    await proxy.close()
  }
})
