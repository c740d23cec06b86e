/** A controller that serves, and agents' streams to it, for tests. */
import { createRpcClient, type Duplex, type RpcClient } from '../lib/rpc-client.ts'
import { clientCredentials } from '../lib/tls.ts'
import { AgentLinkService, type AgentMessage, type Answer, type Init, type Question } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { silent, smallSpace, type TestStores } from './cluster-for-tests.ts'
import { type RunningController, startController } from './server.ts'

export interface Served extends AsyncDisposable {
  readonly store: Store
  readonly client: RpcClient
  readonly controller: RunningController
}

/** On one of two stores: the other, which the test has, is as far behind as an agent's. */
export async function serve(stores: TestStores): Promise<Served> {
  const [store, own] = stores.open(2)
  const ending = new AbortController()
  const listen = { host: '127.0.0.1', port: 0 }
  const controller = await startController({
    ...smallSpace,
    store: own ?? store,
    log: silent,
    listen,
    advertise: listen,
    tls: undefined,
    nodeGrace: 0,
    signal: ending.signal,
  })
  const address = `127.0.0.1:${controller.port}`
  const client = createRpcClient({ address, credentials: clientCredentials(undefined), timeout: 5_000 })
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
