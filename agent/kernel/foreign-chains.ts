/**
 * Other people's nftables chains in the forward hook: an accept in a table of
 * our own does not help where one of them drops, so each gets a rule commented
 * `overlay` at its head. iptables-nft shows it as one of its own.
 */
import { z } from 'zod'
import { listRules, type NftChain, type NftObject, type NftRule } from './nft.ts'
import { isOwnChain } from './own-table.ts'

export interface ForeignChain {
  /** For messages: `ip filter FORWARD`. */
  readonly name: string
  /** Our rules belong here. Elsewhere they may be left from before. */
  readonly isTarget: boolean
  /** Of our rules: the handles, by bridge. */
  readonly accepts: ReadonlyMap<string, readonly number[]>
  /** Rules that carry our mark, for the same bridge, and are not as we make them. */
  readonly changed: ReadonlyMap<string, readonly number[]>
  readonly chain: NftChain
}

const families = ['ip', 'ip6', 'inet']
/** Docker leaves this chain to others, and jumps there before all else. */
export const dockerUser = 'DOCKER-USER'
export const mark = 'overlay'

/** Reads the chains that forwarded frames pass, and no other. */
export async function readForeignChains(all: readonly NftChain[]): Promise<ForeignChain[]> {
  const tables = new Map<string, NftChain[]>()
  for (const chain of all) {
    if (!families.includes(chain.family) || isOwnChain(chain)) continue
    const table = `${chain.family} ${chain.table}`
    tables.set(table, [...(tables.get(table) ?? []), chain])
  }
  const found = await Promise.all([...tables.values()].map(readTable))
  return found.flat()
}

async function readTable(chains: readonly NftChain[]): Promise<ForeignChain[]> {
  const hooked = chains.filter(({ hook, type }) => hook === 'forward' && type === 'filter')
  if (hooked.length === 0) return []
  const users = chains.filter(({ name }) => name === dockerUser)
  const read = async (chain: NftChain) => ({ chain, rules: (await listRules(chain)) ?? [] })
  const [bases, dockers] = await Promise.all([Promise.all(hooked.map(read)), Promise.all(users.map(read))])
  const jumps = (rules: readonly NftRule[]) => rules.some(({ expr }) => expr.some(isJumpToDockerUser))
  const isDockers = users.length > 0 && bases.some(({ rules }) => jumps(rules))
  return [
    ...bases.map(({ chain, rules }) => foreignChain(chain, rules, !isDockers || !jumps(rules))),
    ...dockers.map(({ chain, rules }) => foreignChain(chain, rules, isDockers)),
  ]
}

/** Commands that add the accept rule where it is missing, and remove those of other bridges. */
export function foreignCommands(
  { chain, isTarget, accepts, changed }: ForeignChain,
  put: readonly string[],
  remove: readonly string[],
): NftObject[] {
  const { family, table, name } = chain
  const where = { family, table, chain: name }
  const missing = isTarget ? put.filter((bridge) => !accepts.has(bridge)) : []
  const surplus = [
    ...remove.flatMap((bridge) => accepts.get(bridge) ?? []),
    ...[...put, ...remove].flatMap((bridge) => changed.get(bridge) ?? []),
  ]
  return [
    ...missing.map((bridge) => ({ insert: { rule: { ...where, comment: mark, expr: acceptWithin(bridge) } } })),
    ...surplus.map((handle) => ({ delete: { rule: { ...where, handle } } })),
  ]
}

function foreignChain(chain: NftChain, rules: readonly NftRule[], isTarget: boolean): ForeignChain {
  const [accepts, changed] = [new Map<string, number[]>(), new Map<string, number[]>()]
  for (const rule of rules) {
    const bridge = bridgeOf(rule)
    if (!bridge) continue
    const found = doesAccept(rule) ? accepts : changed
    found.set(bridge, [...(found.get(bridge) ?? []), rule.handle])
  }
  return { name: `${chain.family} ${chain.table} ${chain.name}`, isTarget, accepts, changed, chain }
}

function acceptWithin(bridge: string): NftObject[] {
  const match = (key: string) => ({ match: { op: '==', left: { meta: { key } }, right: bridge } })
  return [match('iifname'), match('oifname'), { counter: null }, { accept: null }]
}

const matchSchema = z.object({
  match: z.object({ left: z.object({ meta: z.object({ key: z.string() }) }), right: z.string() }),
})

/** Two matches, a counter, and the verdict; iptables-nft may show more of what it matches. */
function doesAccept({ expr }: NftRule): boolean {
  return (
    expr.every((one) => 'match' in one || 'counter' in one || 'accept' in one) && expr.some((one) => 'accept' in one)
  )
}

/** The bridge that a rule of ours is for. */
function bridgeOf({ comment, expr }: NftRule): string | undefined {
  if (comment !== mark) return undefined
  const matches = new Map(
    expr.flatMap((one) => {
      const { data } = matchSchema.safeParse(one)
      return data ? [[data.match.left.meta.key, data.match.right] as const] : []
    }),
  )
  const bridge = matches.get('iifname')
  return bridge === matches.get('oifname') ? bridge : undefined
}

function isJumpToDockerUser(statement: NftObject): boolean {
  return z.object({ jump: z.object({ target: z.literal(dockerUser) }) }).safeParse(statement).success
}
