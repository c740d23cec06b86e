/** Runs `nft`, in JSON both ways (libnftables-json(5)). Its children work in the calling thread's namespace. */
import { ExecaError, execa } from 'execa'
import { z } from 'zod'
import { OverlayError } from '../../lib/errors.ts'

/** A command or an object, for example `{ add: { table: … } }` or `{ chain: … }`. */
export type NftObject = Readonly<Record<string, unknown>>

export interface NftChain {
  readonly family: string
  readonly table: string
  readonly name: string
  /** Only of base chains. */
  readonly type?: string | undefined
  readonly hook?: string | undefined
}

export interface NftRule {
  readonly chain: string
  readonly handle: number
  readonly comment?: string | undefined
  readonly expr: readonly NftObject[]
}

/** What nft says, in the locale C, of a table that does not exist. */
const noSuchTable = 'No such file or directory'

const output = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) })
const chainSchema = z.object({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  type: z.string().optional(),
  hook: z.string().optional(),
})
const ruleSchema = z.object({
  chain: z.string(),
  handle: z.number(),
  comment: z.string().optional(),
  expr: z.array(z.record(z.string(), z.unknown())).default([]),
})

/** All chains, without their rules. @throws OverlayError */
export async function listChains(): Promise<NftChain[]> {
  return parsed(await list('chains'), 'chain', chainSchema)
}

/** A chain's rules; undefined when there is no such chain any more. */
export async function listRules({ family, table, name }: NftChain): Promise<NftRule[] | undefined> {
  const found = await list('chain', family, table, name).catch(() => undefined)
  return found && rulesIn(found)
}

/** What a table of the family inet holds; undefined when there is none. @throws OverlayError when that cannot be told. */
export async function listTable(name: string): Promise<NftObject[] | undefined> {
  try {
    return await list('table', 'inet', name)
  } catch (error) {
    if (error instanceof OverlayError && error.message.includes(noSuchTable)) return undefined
    throw error
  }
}

export function rulesIn(objects: readonly NftObject[]): NftRule[] {
  return parsed(objects, 'rule', ruleSchema)
}

/**
 * Carries out the commands as one transaction: all or none. They go as an
 * argument (at most 128 KiB), for `nft -f -` opens /dev/stdin anew, which fails
 * on the sockets that Node gives its children.
 * @throws OverlayError
 */
export async function nftApply(commands: readonly NftObject[]): Promise<void> {
  if (commands.length > 0) await nft([JSON.stringify({ nftables: commands })])
}

async function list(...what: string[]): Promise<NftObject[]> {
  return output.parse(JSON.parse(await nft(['list', ...what]))).nftables
}

function parsed<T>(objects: readonly NftObject[], key: string, schema: z.ZodType<T>): T[] {
  return objects.flatMap((object) => (key in object ? [schema.parse(object[key])] : []))
}

async function nft(args: readonly string[]): Promise<string> {
  return runFirewallProgram('nft', ['-j', ...args])
}

/**
 * Runs one of the firewall's programs.
 * @returns its standard output.
 * @throws OverlayError `failed_precondition` when it is not installed or refuses, with its words.
 */
export async function runFirewallProgram(program: string, args: readonly string[], input = ''): Promise<string> {
  try {
    const { stdout } = await execa(program, args, { input, env: { LC_ALL: 'C' }, timeout: 30_000 })
    return stdout
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error
    const why = error.code === 'ENOENT' ? 'it is not installed' : firstLine(error.stderr) || error.shortMessage
    throw new OverlayError('failed_precondition', `${[program, ...args].join(' ').slice(0, 80)}: ${why}`, {
      cause: error,
    })
  }
}

function firstLine(text: unknown): string {
  return typeof text === 'string' ? (text.split('\n')[0] ?? '') : ''
}

/** Whether that is what `runFirewallProgram` threw because there is no such program. */
export function isNotInstalled(error: unknown): boolean {
  return error instanceof OverlayError && error.cause instanceof ExecaError && error.cause.code === 'ENOENT'
}
