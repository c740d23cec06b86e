/**
 * Our own nftables table, `inet overlay`: nothing is forwarded into or out of a
 * bridge of ours, but for frames that stay on one (br_netfilter sends bridged
 * frames through the forward hook too). And to the host itself a workload may
 * speak by the gateway's addresses only: what is for all would be answered by the
 * gateway on each host. And not VXLAN: VTEPs take packets from everywhere, so that
 * it could put frames into any network.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Ip } from '../../lib/ip.ts'
import type { Difference } from '../state/item.ts'
import { listTable, type NftChain, type NftObject, type NftRule, rulesIn } from './nft.ts'

export interface OwnTable {
  /** What of the table, its chains and their rules is not as we make it. */
  readonly faults: readonly Difference[]
  /** The rules as nft tells them, if they look as ours do from outside: so many, with our comments, in our chains. */
  readonly likeOurs: string | undefined
  /** The bridges in the set. */
  readonly passes: readonly string[]
}

const family = 'inet'
export const table = 'overlay'
const set = 'passes'
/** Gateways that their bridge is without for a moment. */
const absent = 'absent'
const absentSeconds = 10
const anyBridge = 'ovbr*'

const incoming = { meta: { key: 'iifname' } }
const outgoing = { meta: { key: 'oifname' } }

// Only of an address that this interface has, it says `local`.
const typeOfDestination = { fib: { result: 'type', flags: ['daddr', 'iif'] } }
const ip6Destination = { payload: { protocol: 'ip6', field: 'daddr' } }
const icmp6Type = { payload: { protocol: 'icmpv6', field: 'type' } }
const neighbourDiscovery = { range: ['nd-neighbor-solicit', 'nd-neighbor-advert'] }
const udpPort = { payload: { protocol: 'udp', field: 'dport' } }

interface Rule {
  /** What a packet does that the rule is for. */
  readonly comment: string
  readonly expr: readonly NftObject[]
}

/** By hook, which is the chain's name too. */
type Chains = readonly (readonly [hook: string, rules: readonly Rule[]])[]

function chainsFor(vxlanPort: number): Chains {
  const fromWorkload = match(incoming, anyBridge)
  return [
    [
      'forward',
      [
        {
          comment: 'stays on one bridge',
          expr: [match({ concat: [incoming, outgoing] }, `@${set}`), { accept: null }],
        },
        { comment: 'leaves an overlay', expr: [fromWorkload, { drop: null }] },
        { comment: 'enters an overlay', expr: [match(outgoing, anyBridge), { drop: null }] },
      ],
    ],
    [
      'input',
      [
        {
          comment: `pretends to be VXLAN on port ${vxlanPort}`,
          expr: [fromWorkload, match(udpPort, vxlanPort), { drop: null }],
        },
        {
          comment: 'is for a gateway that will be back at once',
          expr: [match({ concat: [incoming, ip6Destination] }, `@${absent}`), { accept: null }],
        },
        {
          comment: 'looks for a neighbour, maybe the gateway',
          expr: [
            fromWorkload,
            match(typeOfDestination, 'multicast'),
            match(icmp6Type, neighbourDiscovery),
            { accept: null },
          ],
        },
        {
          comment: 'is for all, or for another address of the host',
          expr: [fromWorkload, differ(typeOfDestination, 'local'), { drop: null }],
        },
      ],
    ],
  ]
}

export function isOwnChain(found: NftChain): boolean {
  return found.family === family && found.table === table
}

/** Undefined when there is none. */
export async function readOwnTable(vxlanPort: number): Promise<OwnTable | undefined> {
  const objects = await listTable(table)
  if (!objects) return undefined
  const wanted = chainsFor(vxlanPort)
  const rules = rulesIn(objects)
  const [outer, inner] = [tableFaults(objects, wanted), ruleFaults(rules, wanted)]
  const pairs = objects
    .flatMap((object) => setSchema.safeParse(object).data?.set.elem ?? [])
    .map(({ concat }) => concat)
  return {
    faults: [
      ...outer,
      ...inner,
      ...pairs.flatMap(([from, to]) =>
        from === to ? [] : [{ what: `set ${set}`, wanted: '', found: `${from} . ${to}` }],
      ),
    ],
    likeOurs:
      outer.length === 0 && isLikeOurs(rules, wanted) ? JSON.stringify(rules.map(({ expr }) => expr)) : undefined,
    passes: pairs.filter(([from, to]) => from === to).map(([from]) => from),
  }
}

/** A table that sleeps, chains that hang elsewhere, another policy, chains that are none of ours. */
function tableFaults(objects: readonly NftObject[], wanted: Chains): Difference[] {
  const flags = objects.flatMap((object) => tableSchema.safeParse(object).data?.table.flags ?? [])
  const chains = objects.flatMap((object) => chainSchema.safeParse(object).data?.chain ?? [])
  const there = new Map(chains.map(({ name, ...chain }) => [name, chain]))
  const missing = wanted.flatMap(([hook]) => {
    const { type, hook: on, prio, policy } = there.get(hook) ?? {}
    return differs(
      `chain ${hook}`,
      chainText('filter', hook, 0, 'accept'),
      on === undefined ? '' : chainText(type, on, prio, policy),
    )
  })
  const surplus = chains.filter(({ name }) => !wanted.some(([hook]) => hook === name))
  return [
    ...flags.map((flag) => ({ what: 'flags', wanted: '', found: JSON.stringify(flag) })),
    ...missing,
    ...surplus.map(({ name }) => ({ what: 'chain', wanted: '', found: name })),
  ]
}

function ruleFaults(rules: readonly NftRule[], wanted: Chains): Difference[] {
  return wanted.flatMap(([hook, ours]) => {
    const there = rules.filter(({ chain }) => chain === hook)
    const same = (a: NftRule, b: Rule) => a.comment === b.comment && isDeepStrictEqual(a.expr, b.expr)
    if (
      there.length === ours.length &&
      ours.every((rule, at) => there.some((one, place) => place === at && same(one, rule)))
    )
      return []
    const missing = ours.filter((rule) => !there.some((one) => same(one, rule)))
    const surplus = there.filter((one) => !ours.some((rule) => same(one, rule)))
    const faults = [
      ...missing.map(({ comment }) => ({ what: `rule of ${hook}`, wanted: comment, found: '' })),
      ...surplus.map(({ expr }) => ({ what: `rule of ${hook}`, wanted: '', found: JSON.stringify(expr) })),
    ]
    return faults.length > 0 ? faults : [{ what: `rules of ${hook}`, wanted: 'in our order', found: 'in another' }]
  })
}

function isLikeOurs(rules: readonly NftRule[], wanted: Chains): boolean {
  const names = rules.map(({ chain, comment }) => [chain, comment])
  return isDeepStrictEqual(
    names,
    wanted.flatMap(([hook, ours]) => ours.map(({ comment }) => [hook, comment])),
  )
}

function chainText(type?: string, hook?: string, priority?: number, policy?: string): string {
  return `${type} hook ${hook} priority ${priority} policy ${policy}`
}

function differs(what: string, wanted: string, found: string): Difference[] {
  return wanted === found ? [] : [{ what, wanted, found }]
}

/** Makes the table anew, with these bridges, in one transaction. */
export function makeTable(passes: readonly string[], vxlanPort: number): NftObject[] {
  return [
    ...removeTable(),
    ...addSets(),
    ...addPasses(passes),
    ...chainsFor(vxlanPort).flatMap(([hook, rules]) => [
      { add: { chain: { family, table, name: hook, type: 'filter', hook, prio: 0, policy: 'accept' } } },
      ...rules.map((rule) => ({ add: { rule: { family, table, chain: hook, ...rule } } })),
    ]),
  ]
}

/** No error when there is none. */
export function removeTable(): NftObject[] {
  return [{ add: { table: { family, name: table } } }, { delete: { table: { family, name: table } } }]
}

/** Makes the table and its sets, without rules, when there is none. */
export function addPasses(bridges: readonly string[]): NftObject[] {
  return bridges.length === 0 ? [] : [...addSets(), elements('add', bridges)]
}

/** For a short time the bridge takes packets for that IPv6 address, whether it has it or not. */
export function excuseAbsence(bridge: string, gateway: Ip): NftObject[] {
  const elem = [{ elem: { val: { concat: [bridge, gateway] }, timeout: absentSeconds } }]
  return [...addSets(), { add: { element: { family, table, name: absent, elem } } }]
}

/** No error when they are not in the set. */
export function removePasses(bridges: readonly string[]): NftObject[] {
  return bridges.length === 0 ? [] : [...addPasses(bridges), elements('delete', bridges)]
}

const chainSchema = z.object({
  chain: z.object({
    name: z.string(),
    type: z.string().optional(),
    hook: z.string().optional(),
    prio: z.number().optional(),
    policy: z.string().optional(),
  }),
})
const tableSchema = z.object({ table: z.object({ flags: z.unknown() }) })
const setSchema = z.object({
  set: z.object({
    name: z.literal(set),
    elem: z.array(z.object({ concat: z.tuple([z.string(), z.string()]) })).optional(),
  }),
})

function addSets(): NftObject[] {
  return [
    { add: { table: { family, name: table } } },
    { add: { set: { family, table, name: set, type: ['ifname', 'ifname'] } } },
    { add: { set: { family, table, name: absent, type: ['ifname', 'ipv6_addr'], flags: ['timeout'] } } },
  ]
}

function elements(command: 'add' | 'delete', bridges: readonly string[]): NftObject {
  const elem = bridges.map((bridge) => ({ concat: [bridge, bridge] }))
  return { [command]: { element: { family, table, name: set, elem } } }
}

function match(left: NftObject, right: NftObject | string | number): NftObject {
  return { match: { op: '==', left, right } }
}

function differ(left: NftObject, right: string): NftObject {
  return { match: { op: '!=', left, right } }
}
