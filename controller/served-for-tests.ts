/** A controller that serves, and agents' streams to it, for tests. */
import { createRpcClient, type Duplex, type RpcClient } from '../lib/rpc-client.ts'
import { clientCredentials, type Tls } from '../lib/tls.ts'
import { AgentLinkService, type AgentMessage, type Answer, type Init, type Question } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { silent, smallSpace, type TestStores } from './cluster-for-tests.ts'
import type { SealingKey } from './managed-options.ts'
import { type RunningController, startController } from './server.ts'

export interface Served extends AsyncDisposable {
  readonly store: Store
  readonly client: RpcClient
  readonly controller: RunningController
}

export interface ServeOptions {
  /** Default: in clear, and everybody may call everything. */
  readonly tls?: { readonly server: Tls; readonly client: Tls }
  /** Of a cluster that issues its certificates itself, as `prepare` has put it into the store. */
  readonly sealingKey?: SealingKey
  readonly prepare?: (store: Store) => Promise<unknown>
}

/** On one of two stores: the other, which the test has, is as far behind as an agent's. */
export async function serve(stores: TestStores, { tls, sealingKey, prepare }: ServeOptions = {}): Promise<Served> {
  const [store, own] = stores.open(2)
  await prepare?.(store)
  const ending = new AbortController()
  const listen = { host: '127.0.0.1', port: 0 }
  const controller = await startController({
    ...smallSpace,
    store: own ?? store,
    log: silent,
    listen,
    advertise: listen,
    tls: tls?.server,
    sealingKey,
    nodeGrace: 0,
    signal: ending.signal,
  })
  const address = `127.0.0.1:${controller.port}`
  const client = createRpcClient({ address, credentials: clientCredentials(tls?.client), timeout: 5_000 })
  return {
    store,
    client,
    controller,
    async [Symbol.asyncDispose]() {
      client.close()
      ending.abort()
      await controller.close()
    },
  }
}

/** An agent's stream: answers each question by `reply`; undefined: not at all. */
export function agent(client: RpcClient, node: string, reply: (question: Question) => Init<Answer> | undefined) {
  const stream: Duplex<AgentMessage, Question> = client.service(AgentLinkService).connect()
  const asked: Question[] = []
  const ended = (async () => {
    for await (const question of stream) {
      asked.push(question)
      const answer = reply(question)
      if (answer) stream.send({ answer: { ...answer, id: question.id } })
    }
  })().then(
    () => undefined,
    (error: unknown) => error,
  )
  stream.send({ hello: { node, uid: 'u', version: '1' } })
  return { asked, ended, end: () => stream.end() }
}
