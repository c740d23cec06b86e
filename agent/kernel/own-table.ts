/**
 * Our own nftables table, `inet overlay`: nothing is forwarded into or out of a
 * bridge of ours, but for frames that stay on one (br_netfilter sends bridged
 * frames through the forward hook too).
 */
import { z } from 'zod'
import { listTable, type NftChain, type NftObject, rulesIn } from './nft.ts'

export interface OwnTable {
  /** The chain and its rules are as we make them. */
  readonly isWhole: boolean
  /** The bridges in the set. */
  readonly passes: readonly string[]
}

const family = 'inet'
const table = 'overlay'
const set = 'passes'
const chain = 'forward'
const anyBridge = 'ovbr*'

const incoming = { meta: { key: 'iifname' } }
const outgoing = { meta: { key: 'oifname' } }

const rules = [
  { comment: 'stays on one bridge', expr: [match({ concat: [incoming, outgoing] }, `@${set}`), { accept: null }] },
  { comment: 'leaves an overlay', expr: [match(incoming, anyBridge), { drop: null }] },
  { comment: 'enters an overlay', expr: [match(outgoing, anyBridge), { drop: null }] },
]

export function isOwnChain(found: NftChain): boolean {
  return found.family === family && found.table === table
}

/** Undefined when there is none. */
export async function readOwnTable(): Promise<OwnTable | undefined> {
  const objects = await listTable(table)
  if (!objects) return undefined
  const hooks = objects.flatMap((object) => chainSchema.safeParse(object).data?.chain ?? [])
  const comments = rulesIn(objects).map(({ comment }) => comment)
  return {
    isWhole:
      hooks.some(({ name, hook, policy }) => name === chain && hook === 'forward' && policy === 'accept') &&
      comments.join() === rules.map(({ comment }) => comment).join(),
    passes: objects
      .flatMap((object) => setSchema.safeParse(object).data?.set.elem ?? [])
      .map(({ concat }) => concat[0]),
  }
}

/** Makes the table anew, with these bridges, in one transaction. */
export function makeTable(passes: readonly string[]): NftObject[] {
  return [
    ...removeTable(),
    ...addSet(),
    ...addPasses(passes),
    { add: { chain: { family, table, name: chain, type: 'filter', hook: 'forward', prio: 0, policy: 'accept' } } },
    ...rules.map((rule) => ({ add: { rule: { family, table, chain, ...rule } } })),
  ]
}

/** No error when there is none. */
export function removeTable(): NftObject[] {
  return [{ add: { table: { family, name: table } } }, { delete: { table: { family, name: table } } }]
}

/** Makes the table and its set, without rules, when there is none. */
export function addPasses(bridges: readonly string[]): NftObject[] {
  return bridges.length === 0 ? [] : [...addSet(), elements('add', bridges)]
}

/** No error when they are not in the set. */
export function removePasses(bridges: readonly string[]): NftObject[] {
  return bridges.length === 0 ? [] : [...addPasses(bridges), elements('delete', bridges)]
}

const chainSchema = z.object({
  chain: z.object({ name: z.string(), hook: z.string().optional(), policy: z.string().optional() }),
})
const setSchema = z.object({
  set: z.object({ elem: z.array(z.object({ concat: z.tuple([z.string(), z.string()]) })).optional() }),
})

function addSet(): NftObject[] {
  return [
    { add: { table: { family, name: table } } },
    { add: { set: { family, table, name: set, type: ['ifname', 'ifname'] } } },
  ]
}

function elements(command: 'add' | 'delete', bridges: readonly string[]): NftObject {
  const elem = bridges.map((bridge) => ({ concat: [bridge, bridge] }))
  return { [command]: { element: { family, table, name: set, elem } } }
}

function match(left: NftObject, right: string): NftObject {
  return { match: { op: '==', left, right } }
}
