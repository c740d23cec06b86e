import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isForbidden } from './forbidden.ts'
import { malformed } from './malformed.ts'
import { messages } from './messages.ts'
import { allRpcs } from './surface.ts'

const there = { networks: ['web'], nodes: ['h1'], sandboxes: ['/run/netns/target'], addresses: ['10.77.0.9'] }

describe.each(allRpcs().map((rpc) => [rpc.name, rpc] as const))('%s', { timeout: 30_000 }, (_, { input }) => {
  it('well-formed requests can be read', () => {
    for (const tame of [true, false])
      for (const bytes of fc.sample(messages(input, { tame, there }), { seed: 1, numRuns: 4 }))
        expect(() => input.decode(bytes)).not.toThrow()
  })

  it('the same seed gives the same requests, another one others', () => {
    const sample = (seed: number) =>
      fc
        .sample(malformed(messages(input, { tame: false, there })), { seed, numRuns: 3 })
        .map((bytes) => Buffer.from(bytes).toString('base64'))
    expect(sample(1)).toEqual(sample(1))
    expect(sample(1)).not.toEqual(sample(2))
  })
})

it('some requests to attach are sensible, and all kinds of nonsense are among the others', () => {
  const rpc = allRpcs().find(({ name }) => name === 'Agent/Attach')
  if (!rpc) throw new Error('there is no Agent/Attach')
  const read = (tame: boolean) =>
    fc
      .sample(messages(rpc.input, { tame, there }), { seed: 1, numRuns: 300 })
      .map((bytes) => rpc.input.toObject(rpc.input.decode(bytes)))
  const sensible = ({ network, netns, pid }: Record<string, unknown>) =>
    network === 'web' && netns === '/run/netns/target' && pid === undefined
  expect(read(true).filter(sensible).length).toBeGreaterThan(50)
  expect(read(false).some(({ netns, pid }) => netns !== undefined && pid !== undefined)).toBe(true)
})

it('keeps what would be right to take away: nodes, and the network that has to work', () => {
  const kept = { nodes: ['h1', 'abcd'], canary: ['canary', 'f00d'] }
  const forbidden = (name: string, request: object) => {
    const rpc = allRpcs().find((one) => one.name === name)
    if (!rpc) throw new Error(`there is no ${name}`)
    return isForbidden(rpc, rpc.input.encode(rpc.input.fromObject(request)).finish(), kept)
  }
  expect(forbidden('Nodes/Remove', { name: 'h1', force: true })).toBe(true)
  expect(forbidden('Nodes/Drain', { name: 'ab' })).toBe(true)
  expect(forbidden('Nodes/Get', { name: 'h1' })).toBe(false)
  expect(forbidden('Networks/Remove', { name: 'canary' })).toBe(true)
  expect(forbidden('Networks/Remove', { name: 'f00' })).toBe(true)
  expect(forbidden('Ipam/Repair', { findings: [{ network: 'canary' }] })).toBe(true)
  expect(forbidden('Networks/Remove', { name: 'web' })).toBe(false)
})
