import { afterAll, beforeAll, expect, it } from 'vitest'
import { CreateNetworkRequest, GetNetworkRequest, Network } from '../../proto/index.ts'
import { claim, noWarnings, registerNode, smallSpace, type TestStores, testStores } from '../cluster-for-tests.ts'
import { networkCreator } from './create.ts'
import { getNetwork } from './list.ts'

let stores: TestStores
beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())

it('an eager network is on every node, another where it has an endpoint', async () => {
  const [store] = stores.open()
  const create = networkCreator(store, { ...smallSpace, clusterUid: 'c' })
  for (const node of ['n3', 'n1', 'n2']) await registerNode(store, node)
  const nodesOf = async (name: string, eager: boolean) => {
    const request = CreateNetworkRequest.create({ name, eager, mtu: 1450 })
    const { network } = await create(request, new AbortController().signal)
    await claim(store, Network.create(network ?? {}), 'n2', network?.subnets[0]?.gateway.replace(/1$/, '2') ?? '')
    return (await getNetwork(store, noWarnings, GetNetworkRequest.create({ name }))).status?.nodes
  }
  expect(await nodesOf('plain', false)).toEqual(['n2'])
  expect(await nodesOf('eager', true)).toEqual(['n1', 'n2', 'n3'])
})
