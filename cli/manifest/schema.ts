/** What a manifest may say of one network. */
import * as z from 'zod'
import { hasCode } from '../../lib/errors.ts'
import { type Cidr, type Ip, parseCidr, parseIp, parseIpRange } from '../../lib/ip.ts'
import { parseName } from '../../lib/names.ts'
import { quote, shorten } from '../../lib/quote.ts'
import { mtuRange } from '../../lib/requests/mtu.ts'
import { vniRange } from '../../lib/vni.ts'

export interface WantedSubnet {
  readonly cidr: Cidr
  readonly gateway?: Ip | undefined
  readonly ipRange?: Cidr | 'none' | undefined
  /** By what they are called. */
  readonly auxAddresses?: { readonly [name: string]: Ip } | undefined
}

/** A network as a manifest describes it. What is undefined the manifest does not name. */
export interface WantedNetwork {
  readonly name: string
  readonly subnets?: readonly WantedSubnet[] | undefined
  readonly ipv6?: boolean | undefined
  readonly mtu?: number | undefined
  readonly vni?: number | undefined
  /** All there are to be: others are removed. */
  readonly labels?: { readonly [key: string]: string } | undefined
  /** All there are to be: others are removed. */
  readonly options?: { readonly [key: string]: string } | undefined
  readonly internal?: boolean | undefined
  readonly multicast?: boolean | undefined
  readonly eager?: boolean | undefined
  readonly allowOverlap?: boolean | undefined
}

/** A value as the file has it, as far as a message needs it. */
function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  // JSON has no infinity, and makes null of it.
  if (typeof value === 'number') return String(value)
  try {
    return shorten(JSON.stringify(value) ?? 'nothing')
  } catch {
    return 'a value that contains itself'
  }
}

/** A scalar that passes the test, or the reason why not. */
const scalar = <T>(test: (value: unknown) => boolean, says: string) =>
  z.custom<T>(test, { error: ({ input }) => (input === undefined ? 'is missing' : `${shown(input)} ${says}`) })

const text = scalar<string>((value) => typeof value === 'string', 'is not text: write it in quotes')

const flag = scalar<boolean>((value) => typeof value === 'boolean', 'is neither true nor false').optional()

/** As far as a request can hold it; the range is held against it later, with the rest of the network. */
const whole = (range: string) =>
  scalar<number>(
    (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7f_ff_ff_ff,
    `is not a whole number in range: ${range}`,
  )

/** Text that one of lib's parsers takes. */
const parsed = <T>(parse: (text: string) => T) =>
  text.transform((value, context) => {
    try {
      return parse(value)
    } catch (error) {
      if (!hasCode(error, 'invalid')) throw error
      context.issues.push({ code: 'custom', message: error.message, input: value })
      return z.NEVER
    }
  })

const mapOf = <T extends z.ZodType>(value: T) =>
  z.record(z.string(), value, { error: ({ input }) => `${shown(input)} is not a map of KEY: VALUE` })

/** Fields without a value are as if they were not there. */
const withoutNulls = (value: unknown): unknown =>
  isMap(value) ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) : value

const range = (value: string) => (value === '' || value === 'none' ? 'none' : parseIpRange(value))

const subnetFields = {
  cidr: parsed(parseCidr),
  gateway: parsed((value) => (value === '' ? undefined : parseIp(value))).optional(),
  ipRange: parsed(range).optional(),
  auxAddresses: mapOf(parsed(parseIp)).optional(),
}

const subnet = z.preprocess(
  (value) => (typeof value === 'string' ? { cidr: value } : withoutNulls(value)),
  z.strictObject(subnetFields, { error: ({ input }) => `${shown(input)} is neither a subnet nor a map that has one` }),
)

const networkFields = {
  name: parsed(parseName),
  subnets: z.array(subnet, { error: ({ input }) => `${shown(input)} is not a list` }).optional(),
  ipv6: flag,
  // 0 and empty text are what `inspect` shows of what is not set.
  mtu: whole(mtuRange).optional(),
  vni: whole(vniRange).optional(),
  labels: mapOf(text).optional(),
  options: mapOf(text).optional(),
  internal: flag,
  multicast: flag,
  eager: flag,
  allowOverlap: flag,
}

const any = z.unknown().optional()

/** In what `inspect` and `ls` print; nothing to wish for. */
const outputOnly = { uid: any, state: any, createdAt: any, status: any }

const network = z.preprocess(
  withoutNulls,
  z.strictObject({ ...networkFields, ...outputOnly }, { error: 'is not a network: write a map with its name' }),
)

/** What is in a description of a network. */
export interface Parsed {
  /** Undefined when there are faults. */
  readonly network?: WantedNetwork
  /** When there are: as far as it can be read, so that the rest of it can be checked as well. */
  readonly rest?: WantedNetwork
  /** The field's name first. */
  readonly faults: readonly string[]
}

export function parseNetwork(description: unknown): Parsed {
  const { data, error } = network.safeParse(description)
  if (data) return { network: wantedOf(data), faults: [] }
  const rest = network.safeParse(withoutFaulty(description, error.issues))
  return { ...(rest.data && { rest: wantedOf(rest.data) }), faults: error.issues.flatMap(faultsOf) }
}

function wantedOf(data: z.infer<typeof network>): WantedNetwork {
  const { uid: _uid, state: _state, createdAt: _createdAt, status: _status, ...wanted } = data
  return {
    ...wanted,
    subnets: wanted.subnets?.length ? wanted.subnets : undefined,
    mtu: wanted.mtu || undefined,
    vni: wanted.vni || undefined,
  }
}

/** Whole fields go; a network without a name that can be one has another, which no message tells. */
function withoutFaulty(description: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  if (!isMap(description)) return undefined
  const faulty = new Set(
    issues.flatMap((issue): readonly PropertyKey[] =>
      issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : issue.path.slice(0, 1),
    ),
  )
  const kept = Object.fromEntries(Object.entries(description).filter(([field]) => !faulty.has(field)))
  return faulty.has('name') ? { ...kept, name: 'unnamed' } : kept
}

/** The name that a description gives, if it looks like one, for messages. */
export function nameIn(description: unknown): string | undefined {
  const name = isMap(description) ? description['name'] : undefined
  return typeof name === 'string' && /^[\w.-]{1,63}$/.test(name) ? name : undefined
}

function faultsOf(issue: z.core.$ZodIssue): string[] {
  const path = pathText(issue.path)
  if (issue.code !== 'unrecognized_keys') return [path ? `${path}: ${issue.message}` : issue.message]
  const known = Object.keys(issue.path.length > 0 ? subnetFields : networkFields).join(', ')
  return issue.keys.map((key) => `${path ? `${path}.` : ''}${key}: no such field (there are ${known})`)
}

/** `subnets[0].gateway` */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at > 0 ? '.' : ''}${String(part)}`))
    .join('')
}

function isMap(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
