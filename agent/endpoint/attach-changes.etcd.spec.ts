import { describe, expect, it, vi } from 'vitest'
import type { TestAgent } from '../testing/agent.ts'
import type { TestCluster } from '../testing/cluster.ts'
import { expectNothingLeft, withOneAgent } from '../testing/one-agent.ts'

let cluster: TestCluster
let agent: TestAgent
let before: readonly string[]

withOneAgent((one) => {
  ;({ cluster, agent, before } = one)
})

const nothingIsLeft = () => expectNothingLeft({ cluster, agent, before })

describe('a network that is another one than the view shows', () => {
  it.each([
    [{ mtu: 1451 }, 'failed_precondition', 'network web has an MTU of 1451'],
    [{ subnets: ['10.1.9.0/24'] }, 'invalid', 'address 10.0.9.7 is not in web'],
  ])('is checked anew: %j', async (wish, code, message) => {
    const { view } = agent.parts
    await agent.until(() => view.network('web') !== undefined)
    const old = view.network('web')
    if (!old) throw new Error('web is not known')
    await cluster.removeNetwork(old)
    await cluster.addNetwork('web', wish)
    await agent.until(() => view.network('web')?.uid !== old.uid)
    before = await cluster.held()
    vi.spyOn(view, 'network').mockReturnValueOnce(old)
    const failed = agent.attach('c1', { addresses: ['10.0.9.7'] })
    await expect(failed).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    await nothingIsLeft()
  })
})

describe('a network that changes', () => {
  const grown = (subnet: string) =>
    cluster.changeNetwork('web', (record) => ({
      ...record,
      subnets: record.subnets.map((each) => ({ ...each, cidr: subnet })),
    }))

  it('gives what it has now, also where the view lags behind', async () => {
    await agent.until(() => agent.parts.view.network('web') !== undefined)
    await grown('10.0.8.0/23')
    const { endpoint } = await agent.attach('c1', { addresses: ['10.0.8.7'] })
    expect(endpoint?.addresses).toEqual(['10.0.8.7'])
  })

  it('is checked anew when it changed between the check and the claim', async () => {
    const { view } = agent.parts
    await agent.until(() => view.network('web') !== undefined)
    const { store } = agent
    let isFirst = true
    vi.spyOn(agent.parts.claimStore, 'commit').mockImplementation(async (transaction) => {
      // As an update from elsewhere would be, which no watch has told yet.
      if (isFirst) await cluster.changeNetwork('web', (record) => ({ ...record, mtu: 1451 }))
      isFirst = false
      return store.commit(transaction)
    })
    await expect(agent.attach('c1')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('network web has an MTU of 1451'),
    })
    expect((await cluster.store.get(store.keys.network('web')))?.value.mtu).toBe(1451)
    await nothingIsLeft()
  })

  it('keeps the quarantine when it grows', async () => {
    await cluster.addNetwork('tiny', { subnets: ['10.0.6.0/29'] })
    const attach = async (name: string) => (await agent.attach(name, { network: 'tiny' })).endpoint
    const first = await attach('t1')
    await agent.detach({ endpointId: first?.id ?? '' })
    await cluster.changeNetwork('tiny', (record) => ({
      ...record,
      subnets: record.subnets.map((each) => ({ ...each, cidr: '10.0.6.0/28' })),
    }))
    const given: (string | undefined)[] = []
    for (let n = 0; n < 12; n++) given.push((await attach(`u${n}`))?.addresses[0])
    expect(new Set(given).size).toBe(12)
    expect(given).not.toContain(first?.addresses[0])
    await expect(attach('u12')).rejects.toMatchObject({
      code: 'exhausted',
      message: expect.stringContaining('(12 used, 1 reserved, 1 in quarantine); the next one is free at'),
    })
  })

  it('chooses from its range only; others are had by asking', async () => {
    await cluster.addNetwork('part', {
      subnets: ['10.0.6.0/24'],
      ipRange: '10.0.6.8/30',
      auxAddresses: { nas: '10.0.6.9' },
    })
    const attach = async (name: string, addresses: readonly string[] = []) =>
      (await agent.attach(name, { network: 'part', addresses })).endpoint?.addresses[0]
    const given = [await attach('p1'), await attach('p2'), await attach('p3')]
    expect(new Set(given)).toEqual(new Set(['10.0.6.8', '10.0.6.10', '10.0.6.11']))
    await expect(attach('p4')).rejects.toMatchObject({
      code: 'exhausted',
      message: expect.stringContaining(
        'no free address left in 10.0.6.8/30 (3 used, 1 reserved, 0 in quarantine); detach what is not needed, widen the range',
      ),
    })
    expect(await attach('p4', ['10.0.6.77'])).toBe('10.0.6.77')
    await expect(attach('p5', ['10.0.6.9'])).rejects.toThrow('taken in part by the auxiliary address "nas"')
  })
})
