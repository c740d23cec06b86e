import { afterAll, beforeAll, expect, it } from 'vitest'
import { ClustersService, EndpointsService, IpamService, NetworksService, NodesService } from '../proto/index.ts'
import { registerNode, startSession, type TestStores, testStores, until } from './cluster-for-tests.ts'
import { type Served, serve } from './served-for-tests.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

/** One of each kind of call that needs the store. */
function calls({ client }: Served): readonly (() => Promise<unknown>)[] {
  const networks = client.service(NetworksService)
  const nodes = client.service(NodesService)
  return [
    () => networks.create({ name: 'new', subnets: [{ cidr: '10.9.0.0/24' }], mtu: 1450 }),
    () => networks.list({ withStatus: true }),
    () => networks.get({ name: 'web' }),
    () => networks.update({ name: 'web', labels: { a: 'b' } }),
    () => networks.remove({ name: 'web' }),
    () => networks.remove({ name: 'web', force: true }),
    () => client.service(EndpointsService).list({}),
    () => client.service(EndpointsService).get({ id: 'a'.repeat(32) }),
    () => client.service(IpamService).show({ network: 'web' }),
    () => client.service(IpamService).release({ network: 'web', address: '10.0.9.9' }),
    () => nodes.list({}),
    () => nodes.get({ name: 'n1' }),
    () => nodes.drain({ name: 'n1' }),
    () => nodes.undrain({ name: 'n1' }),
    () => nodes.remove({ name: 'n1' }),
  ]
}

function outcome(call: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  return call().then(
    () => ({ code: 'done', message: '' }),
    ({ code, message }: { code: string; message: string }) => ({ code, message }),
  )
}

async function servedNetwork(): Promise<Served> {
  const served = await serve(stores)
  await registerNode(served.store, 'n1')
  await startSession(served.store, 'n1')
  await served.client.service(NetworksService).create({ name: 'web', subnets: [{ cidr: '10.0.9.0/24' }], mtu: 1450 })
  return served
}

it.each([
  ['frozen', async () => stores.etcd.freeze(), async () => stores.etcd.thaw()],
  ['away', () => stores.etcd.kill(), () => stores.etcd.restart()],
])('refuses every call, however many, while the store is %s, and serves after it', async (_, begin, end) => {
  await using served = await servedNetwork()
  await begin()
  try {
    const all = await Promise.all(Array.from({ length: 8 }, () => calls(served).map(outcome)).flat())
    for (const refused of all) {
      // Not `deadline`, the caller's own, after five seconds: none waits for the others.
      expect(refused).toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(/no etcd answers|the store did not answer|etcd/),
      })
    }
    const { store } = await served.client.service(ClustersService).getStatus({})
    expect(store).toMatchObject({ healthy: false })
  } finally {
    await end()
  }
  // Nothing that was refused is in the way.
  await until(
    'the store',
    async () => (await outcome(() => served.client.service(NodesService).list({}))).code === 'done',
  )
})
