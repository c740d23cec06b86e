import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AddressOwner, Network } from '../../proto/index.ts'
import { examine } from './examine.ts'
import type { Held, Moment } from './moment.ts'
import type { Suspicion } from './verdict.ts'

const networks = new Map(
  ['web', 'db'].map((name) => [
    name,
    Network.create({ name, uid: `uid-${name}`, subnets: [{ cidr: '10.0.0.0/24', gateway: '10.0.0.1' }] }),
  ]),
)
const nodes = new Set(['n1', 'n2'])

const network = fc.constantFrom('web', 'db', 'old')
const node = fc.constantFrom('n1', 'n2', 'n9')
const address = fc.constantFrom('10.0.0.1', '10.0.0.7', '10.0.0.8', '10.0.0.9')
const name = fc.constantFrom('x', 'y')
const mac = fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:02')
const id = fc.constantFrom('e0', 'e1', 'e2', 'e3')

const endpoint = fc
  .record({
    network,
    below: id,
    createRevision: fc.integer(),
    uid: fc.constantFrom('', '', '', 'other'),
    value: fc.record({
      addresses: fc.uniqueArray(address, { maxLength: 2 }),
      name: fc.oneof(fc.constant(''), name),
      mac,
      node,
    }),
  })
  .map(({ uid, value, ...rest }): Held => ({ ...rest, value: { ...value, networkUid: uid || `uid-${rest.network}` } }))

const byPlace = { selector: (key: { network: string; below: string }) => `${key.network}/${key.below}` }
const referencesOf = (below: fc.Arbitrary<string>) =>
  fc.uniqueArray(fc.record({ network, below, value: fc.record({ endpointId: id }) }), byPlace)
const owner = fc.oneof(
  id.map((endpointId) => AddressOwner.create({ kind: 'ENDPOINT', endpointId, node: 'n1' })),
  fc.constant(AddressOwner.create({ kind: 'GATEWAY' })),
)

const moment = fc
  .record({
    held: fc.uniqueArray(endpoint, { ...byPlace, maxLength: 6 }),
    addresses: fc.uniqueArray(fc.record({ network, below: address, value: owner }), byPlace),
    names: referencesOf(name),
    macs: referencesOf(mac),
    placements: fc.uniqueArray(fc.record({ node, network, id }), {
      selector: (place) => `${place.node}/${place.network}/${place.id}`,
    }),
  })
  .map(
    ({ held, ...keys }): Moment => ({
      ...keys,
      only: undefined,
      networks,
      endpoints: new Map(held.map((each) => [`${each.network}/${each.below}`, each])),
      released: [],
      vnis: [...networks.values()].map((there) => ({ vni: String(there.vni), network: there.name })),
      nodes,
      sessions: nodes,
      routed: [],
      tenures: [],
      journals: new Set(),
      odd: new Set(),
    }),
  )

/** The definitions, one by one, each looked for in everything. */
function naively({ endpoints, addresses, names, macs, placements }: Moment): string[] {
  const all = [...endpoints.values()]
  const keys = [...addresses, ...names, ...macs]
  const has = ({ value }: Held, subject: string) =>
    subject !== '' && [...value.addresses, value.name, value.mac].includes(subject)
  const ownerOf = (of: string, subject: string) => {
    const key = keys.find((each) => each.network === of && each.below === subject)
    return all.find((each) => each.network === of && each.below === key?.value.endpointId && has(each, subject))
  }
  const nodeIn = (of: string, ip: string) =>
    addresses.find((key) => key.network === of && key.below === ip)?.value.node ?? ''
  const isListed = (held: Held) =>
    placements.some((p) => p.node === held.value.node && p.network === held.network && p.id === held.below)
  const isFitting = (held: Held) => networks.get(held.network)?.uid === held.value.networkUid
  const sound = all.filter((held) => isFitting(held) && nodes.has(held.value.node))
  const lackers = (of: string, subject: string) =>
    sound
      .filter((held) => held.network === of && has(held, subject) && ownerOf(of, subject) !== held)
      .toSorted((a, b) => a.createRevision - b.createRevision)
  const found: string[] = []
  const tell = (kind: Suspicion['kind'], of: string, subject: string, endpointId: string, on: string) =>
    found.push([kind, of, subject, endpointId, on].join(' '))
  for (const of of networks.keys()) {
    for (const subject of new Set(sound.flatMap(({ value }) => [...value.addresses, value.name, value.mac])))
      for (const [at, { below, value }] of lackers(of, subject).entries())
        tell(at > 0 || ownerOf(of, subject) ? 'DUPLICATE' : 'ENDPOINT_WITHOUT_OWNER', of, subject, below, value.node)
    for (const { network: where, below, value } of keys) {
      if (where !== of || ownerOf(of, below) || lackers(of, below).length > 0 || below === '10.0.0.1') continue
      tell('OWNER_WITHOUT_ENDPOINT', of, below, value.endpointId, nodeIn(of, below))
    }
    if (!addresses.some((key) => key.network === of && key.below === '10.0.0.1' && key.value.kind === 'GATEWAY'))
      tell('RESERVED_WITHOUT_OWNER', of, '10.0.0.1', '', '')
  }
  for (const place of placements)
    if (nodes.has(place.node) && endpoints.get(`${place.network}/${place.id}`)?.value.node !== place.node)
      tell('OWNER_WITHOUT_ENDPOINT', place.network, '', place.id, place.node)
  for (const held of all) {
    const { network: of, below, value } = held
    if (sound.includes(held) && !isListed(held)) tell('ENDPOINT_WITHOUT_OWNER', of, '', below, value.node)
    if (!isFitting(held) || (!nodes.has(value.node) && !isListed(held))) tell('LEFTOVER', of, '', below, value.node)
  }
  if (keys.some((key) => key.network === 'old')) tell('LEFTOVER', 'old', '', '', '')
  if (placements.some((place) => place.node === 'n9')) tell('LEFTOVER', '', '', '', 'n9')
  return found
}

function examined(at: Moment): string[] {
  const looking = examine(at, 0)
  for (;;) {
    const { done, value } = looking.next()
    if (done) return value.map((told) => [told.kind, told.network, told.subject, told.endpointId, told.node].join(' '))
  }
}

it('examine finds just what a naive search by the definitions finds', () => {
  fc.assert(
    fc.property(moment, (at) => {
      expect(examined(at).toSorted()).toEqual(naively(at).toSorted())
    }),
    { numRuns: 1_000 },
  )
})
