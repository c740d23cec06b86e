/** An etcd cluster of several members for tests, which join as ours do: as learners first. */
import { createLogger } from '../lib/log.ts'
import { retry } from '../lib/retry.ts'
import { connect } from './connect.ts'
import { startEtcd, type TestEtcd } from './etcd-for-tests.ts'
import type { Store } from './store.ts'

const fresh = { first: 50, most: 300 }

export interface EtcdCluster extends AsyncDisposable {
  /** Knows all members. */
  readonly store: Store
  readonly members: readonly TestEtcd[]
  /** Adds a member and gives it its vote. */
  readonly grow: () => Promise<TestEtcd>
}

export async function startEtcdCluster(size: number): Promise<EtcdCluster> {
  const log = createLogger('test', 'silent')
  const first = await startEtcd({ name: 'm1' })
  const members = [first]
  const store = connect({ urls: [first.url], discover: true, log })
  const signal = AbortSignal.timeout(60_000)
  const options = { signal, backoff: fresh }
  const grow = async () => {
    const name = `m${members.length + 1}`
    let id = ''
    const join = async (peerUrl: string) => {
      id = (await retry(() => store.admin.addLearner(peerUrl), options)).ID
      const states = await store.admin.memberStates()
      return Object.fromEntries(states.filter(({ name }) => name).map((one) => [one.name, one.peerURLs[0] ?? '']))
    }
    const etcd = await startEtcd({ name, join })
    members.push(etcd)
    await retry(() => store.admin.promote(id), options)
    return etcd
  }
  const close = async () => {
    await store.close()
    for (const member of members) await member.close()
  }
  try {
    while (members.length < size) await grow()
  } catch (error) {
    await close()
    throw error
  }
  return { store, members, grow, [Symbol.asyncDispose]: close }
}
