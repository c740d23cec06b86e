import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { CheckIpamRequest, type Endpoint, type Finding } from '../../proto/index.ts'
import { put, remove } from '../../store/store.ts'
import { type TestStores, testStores } from '../cluster-for-tests.ts'
import { brokenThings, nobody } from './broken-for-tests.ts'
import { checkIpam } from './check.ts'
import { endpointOf, endpointWrites, openIpam, type TestIpam } from './ipam-for-tests.ts'
import { repairIpam } from './repair.ts'

let stores: TestStores
let ipam: TestIpam
/** An endpoint with everything. */
let one: Endpoint
let two: Endpoint

beforeAll(async () => {
  stores = await testStores()
})
afterAll(async () => stores[Symbol.asyncDispose]())
beforeEach(async () => {
  ipam = await openIpam(stores)
  one = await ipam.attach({ node: 'n1', addresses: ['10.0.0.7', 'fd00:9::7'], name: 'one', id: '1'.repeat(32) })
  two = await ipam.attach({ node: 'n2', addresses: ['10.0.0.8', 'fd00:9::8'], id: '2'.repeat(32) })
})

const { signal } = new AbortController()

const ip = parseIp
const keysOf = () => ipam.store.keys
const broken = brokenThings(() => ({ store: ipam.store, one, two }))

/** Made the same for each run. */
function shortened(text: string): string {
  return text
    .replace(/(0{4}|1{4}|2{4}|3{4}|f{4})\1{7}/g, '$1')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b(?!02:00)[0-9a-f]{2}(:[0-9a-f]{2}){5}\b/g, 'MAC')
}

function told({ kind, network, subject, endpointId, node }: Finding): string {
  return shortened([kind, network, subject, endpointId, node].filter(Boolean).join(' '))
}

function differences(before: readonly string[], after: readonly string[]): string[] {
  const revisions = (keys: readonly string[]) => new Map(keys.map((key) => key.split(' @') as [string, string]))
  const [old, now] = [revisions(before), revisions(after)]
  const all = [...new Set([...old.keys(), ...now.keys()])].toSorted()
  return all.flatMap((key) => {
    if (old.get(key) === now.get(key)) return []
    return [`${old.has(key) ? (now.has(key) ? '~' : '-') : '+'}${shortened(key)}`]
  })
}

describe('check and repair', () => {
  it('find nothing where all is in order', async () => {
    await ipam.detach(await ipam.attach({ node: 'n1', addresses: ['10.0.0.9'] }))
    const { findings, ...counts } = await ipam.check()
    expect(findings).toEqual([])
    expect(counts).toEqual({
      networksChecked: 2,
      addressesChecked: 8,
      nodesChecked: ['n1', 'n2'],
      nodesMissed: ['n3: not alive'],
    })
    expect(await ipam.check('db')).toMatchObject({
      findings: [],
      networksChecked: 1,
      addressesChecked: 1,
      nodesChecked: ['n1', 'n2'],
    })
    expect(await ipam.check('aaaa')).toMatchObject({ networksChecked: 1, addressesChecked: 7 })
    await expect(ipam.check('nil')).rejects.toMatchObject({ code: 'not_found' })
  })

  it.each(Object.entries(broken))('%s', async (_, { by, found, outcomes, changed }) => {
    await ipam.write(...by())
    const before = await ipam.keys()
    const { findings } = await ipam.check()
    expect(findings.map(told).toSorted()).toEqual(found.toSorted())
    expect(await ipam.keys()).toEqual(before)
    expect(findings.every(({ problem }) => problem !== '')).toBe(true)

    const repaired = await ipam.repair(findings)
    expect(new Map(findings.map((finding, at) => [told(finding), repaired.outcomes[at]?.state]))).toEqual(
      new Map(found.map((text, at) => [text, outcomes[at]])),
    )
    expect(findings.map(({ repair }) => repair !== '')).toEqual(repaired.outcomes.map(({ state }) => state !== 'LEFT'))
    expect(repaired.outcomes.map(({ problem }) => problem !== '')).toEqual(
      repaired.outcomes.map(({ state }) => state === 'LEFT'),
    )
    expect(differences(before, await ipam.keys()).toSorted()).toEqual(
      [...changed].map((key) => shortened(key)).toSorted(),
    )

    const again = await ipam.check()
    expect(again.findings.map(told).toSorted()).toEqual(found.filter((__, at) => outcomes[at] === 'LEFT').toSorted())
    const mended = findings.filter((__, at) => repaired.outcomes[at]?.state === 'REPAIRED')
    const after = await ipam.keys()
    expect((await ipam.repair(mended)).outcomes.map(({ state }) => state)).toEqual(mended.map(() => 'GONE'))
    expect(await ipam.keys()).toEqual(after)
  })

  it('tells how to remove what cannot be read, and does not wait for it', async () => {
    const { keys } = ipam.store
    const path = `${keys.addresses('web').prefix}10.0.0.77`
    await ipam.write({ do: 'put', path, value: 'garbage', lease: undefined })
    const { findings } = await ipam.check('web')
    expect(findings).toMatchObject([{ kind: 'LEFTOVER', network: 'web', subject: 'addresses/web/10.0.0.77' }])
    expect(findings[0]?.problem).toMatch(
      new RegExp(`the record at ${path} is not a valid .*AddressOwner: .*\\(etcdctl del ${path}\\)`),
    )
    expect((await ipam.check('db')).findings).toEqual([])
    const { outcomes } = await ipam.repair([
      ...findings,
      ...findings.map((finding) => ({ ...finding, subject: 'cluster/x' })),
      ...findings.map((finding) => ({ ...finding, subject: 'addresses/web/10.0.0.7' })),
    ])
    expect(outcomes.map(({ state }) => state)).toEqual(['LEFT', 'GONE', 'GONE'])
    await ipam.write({ do: 'delete', path })
    expect((await ipam.check()).findings).toEqual([])
  })

  it('says what it is of in words', async () => {
    const odd = `${keysOf().addresses('db').prefix}10.1.0.9/x`
    const otherwise = `${keysOf().addresses('db').prefix}fd90:0::0099`
    const empty = { do: 'put', value: '{}', lease: undefined } as const
    await ipam.write(
      { ...empty, path: odd },
      { ...empty, path: otherwise },
      put(keysOf().address('old', ip('10.9.0.1')), { kind: 'GATEWAY' }),
      {
        do: 'put',
        path: keysOf().endpoint('web', 'zzz').path,
        value: '{}',
        lease: undefined,
      },
    )
    expect((await ipam.check()).findings.map(({ problem }) => problem)).toEqual([
      `key ${odd} does not end in an address, as others there do: nothing heeds it`,
      `key ${otherwise} is not in its canonical form (fd90::99): nothing heeds it`,
      '1 address is kept for network old, which is not there',
      'the record of endpoint zzz names no node',
    ])
  })

  it('of one network its own findings only', async () => {
    await ipam.write(
      put(keysOf().address('web', ip('10.0.0.9')), { kind: 'ENDPOINT', endpointId: nobody }),
      put(keysOf().address('db', ip('10.1.0.9')), { kind: 'ENDPOINT', endpointId: nobody }),
      put(keysOf().placement('n9', 'web', nobody), null),
    )
    expect((await ipam.check('db')).findings.map(told)).toEqual(['OWNER_WITHOUT_ENDPOINT db 10.1.0.9 ffff'])
  })

  it('says who an address was when it is taken away', async () => {
    await ipam.write(remove(keysOf().endpoint('web', one.id)))
    await ipam.repair((await ipam.check()).findings)
    const { entries } = await ipam.store.list(keysOf().historyOf('web', ip('10.0.0.7')))
    expect(entries.map(({ value }) => [value.endpointId, value.end, value.releasedAt !== ''])).toEqual([
      [one.id, 'REPAIRED', true],
    ])
    const rest = await ipam.store.get(keysOf().releasedAddress('web', ip('10.0.0.7')))
    expect(Date.parse(rest?.value.freeAt ?? '')).toBeGreaterThan(Date.now() + 50_000)
  })

  it('refuses findings that could not be ours, all at once, and believes none of the rest', async () => {
    const made = { subject: '', endpointId: '', node: '', problem: '', repair: '' }
    const before = await ipam.keys()
    await expect(
      ipam.repair([
        { ...made, kind: 'KIND_UNSPECIFIED', network: 'web' },
        { ...made, kind: 'LEFTOVER', network: 'web/x', node: '..' },
        { ...made, kind: 'LEFTOVER', network: 'web', endpointId: 'a/b' },
      ]),
    ).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/\[0\].*\[1\].*network.*\[1\].*node.*\[2\]/),
    })
    const lies = [
      { ...made, kind: 'LEFTOVER' as const, network: 'web' },
      { ...made, kind: 'LEFTOVER' as const, node: 'n1', network: '' },
      { ...made, kind: 'LEFTOVER' as const, network: 'web', endpointId: one.id },
      { ...made, kind: 'LEFTOVER' as const, network: 'web', subject: '5000' },
      { ...made, kind: 'OWNER_WITHOUT_ENDPOINT' as const, network: 'web', subject: '10.0.0.7', endpointId: one.id },
      { ...made, kind: 'OWNER_WITHOUT_ENDPOINT' as const, network: 'web', subject: '10.0.0.7', endpointId: nobody },
      { ...made, kind: 'OWNER_WITHOUT_ENDPOINT' as const, network: 'web', subject: '', endpointId: one.id, node: 'n1' },
      { ...made, kind: 'OWNER_WITHOUT_ENDPOINT' as const, network: 'web', subject: '10.0.0.1' },
      { ...made, kind: 'ENDPOINT_WITHOUT_OWNER' as const, network: 'web', subject: '10.0.0.8', endpointId: one.id },
      { ...made, kind: 'RESERVED_WITHOUT_OWNER' as const, network: 'web', subject: '10.0.0.9' },
    ]
    expect((await ipam.repair(lies)).outcomes.map(({ state }) => state)).toEqual(lies.map(() => 'GONE'))
    expect(await ipam.keys()).toEqual(before)
  })

  it('a repair commits only while what it was told from is so', async () => {
    await ipam.write(put(keysOf().address('web', ip('10.0.0.9')), { kind: 'ENDPOINT', endpointId: nobody, node: 'n1' }))
    const { findings } = await ipam.check()
    // Between look and transaction the endpoint comes.
    const { store } = ipam.parts
    const late = endpointOf({ node: 'n1', addresses: ['10.0.0.9'], id: nobody })
    let came = false
    const racing = {
      ...store,
      commit: async (transaction: Parameters<typeof store.commit>[0]) => {
        if (!came) await ipam.write(...endpointWrites(ipam.store, late))
        came = true
        return store.commit(transaction)
      },
    }
    const { outcomes } = await repairIpam({ ...ipam.parts, store: racing }, { findings }, signal)
    expect(outcomes).toEqual([{ state: 'GONE', problem: '' }])
    expect((await ipam.check()).findings).toEqual([])
    expect(await ipam.store.get(keysOf().releasedAddress('web', ip('10.0.0.9')))).toBeUndefined()
  })

  it('tells of more findings than it looks at', async () => {
    const texts = Array.from({ length: 25 }, (_, n) => `10.0.10.${n}`)
    await ipam.write(
      ...texts.map((text) =>
        put(keysOf().address('web', ip(text)), { kind: 'ENDPOINT', endpointId: nobody, node: 'n1' }),
      ),
    )
    const check = () => checkIpam({ ...ipam.parts, mostSuspicions: 20 }, CheckIpamRequest.create(), signal)
    const { findings } = await check()
    expect(findings).toHaveLength(20)
    expect(findings.filter(({ problem }) => problem.includes('; 5 more suspicions were not looked at'))).toHaveLength(1)
    const { outcomes } = await ipam.repair(findings)
    expect(outcomes.filter(({ state }) => state === 'REPAIRED')).toHaveLength(20)
    expect((await check()).findings).toHaveLength(5)
  })
})
