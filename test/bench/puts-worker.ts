/** One of several processes that write one key at a time to etcd, so many at once: what a claim is held against. */
import { createLogger } from '../../lib/log.ts'
import { connect } from '../../store/connect.ts'
import { put } from '../../store/store.ts'
import { workerInput, workerOutput } from './in-host.ts'

export interface PutsInput {
  readonly etcd: string
  /** Tells this process's keys from another's. */
  readonly writer: string
  readonly puts: number
  readonly warmUp: number
  readonly inFlight: number
}

export interface PutsOutput {
  /** Milliseconds, one per put. */
  readonly latencies: readonly number[]
}

const { etcd, writer, puts, warmUp, inFlight } = workerInput() as PutsInput
const store = connect({ urls: [etcd], prefix: '/bench/', log: createLogger('bench', 'error') })
await putAll(warmUp)
const latencies = await putAll(puts)
workerOutput({ latencies } satisfies PutsOutput)
await store.close()

async function putAll(count: number): Promise<readonly number[]> {
  const times: number[] = []
  let begun = 0
  const one = async () => {
    while (begun++ < count) {
      const start = performance.now()
      const write = put({ path: `${store.keys.prefix}puts/${writer}/${begun}`, type: null }, null)
      await store.commit({ compares: [], writes: [write] })
      times.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  return times
}
