/** What tells two states of a network apart, field by field, for people and programs. */
import type { Network } from '../../proto/index.ts'
import { printable } from '../table.ts'

export interface FieldDifference {
  /** `mtu`, `labels.team`, `IPv4 subnet`. */
  readonly field: string
  /** Absent: it is new. */
  readonly before?: string
  /** Absent: it goes. */
  readonly after?: string
}

/** In the order of the fields; `before` undefined: the network is new. */
export function fieldDifferences(before: Network | undefined, after: Network): FieldDifference[] {
  const old = before ? fieldsOf(before) : new Map<string, string>()
  const young = fieldsOf(after)
  return [...new Set([...young.keys(), ...old.keys()])].flatMap((field) => {
    const [was, is] = [old.get(field), young.get(field)]
    if (was === is) return []
    return [{ field, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }]
  })
}

/**
 * A line of its own for each value that goes or comes, `~ network web` above;
 * `remark` adds to a value that comes.
 */
export function differencesText(
  name: string,
  isNew: boolean,
  differences: readonly FieldDifference[],
  remark: (field: string) => string,
): string {
  const lines = differences.flatMap(({ field, before, after }) => [
    ...(before === undefined ? [] : [`- ${field}: ${before}`]),
    ...(after === undefined ? [] : [`+ ${field}: ${after}${remark(field)}`]),
  ])
  return [`${isNew ? '+' : '~'} network ${name}`, ...lines].map((line) => `${printable(line)}\n`).join('')
}

/** What is set; what is empty or false is left out. */
function fieldsOf(network: Network): Map<string, string> {
  const fields = new Map([['vni', String(network.vni)]])
  for (const { cidr, gateway, ipRange, auxAddresses } of network.subnets) {
    const family = familyText(cidr)
    fields.set(`${family} subnet`, cidr)
    if (gateway) fields.set(`${family} gateway`, gateway)
    if (ipRange) fields.set(`${family} ipRange`, ipRange)
    setPairs(fields, `${family} auxAddresses`, auxAddresses)
  }
  fields.set('mtu', String(network.mtu))
  setPairs(fields, 'labels', network.labels)
  setPairs(fields, 'options', network.options)
  for (const flag of ['internal', 'multicast', 'eager', 'allowOverlap'] as const)
    if (network[flag]) fields.set(flag, 'true')
  return fields
}

export function familyText(cidr: string): 'IPv4' | 'IPv6' {
  return cidr.includes(':') ? 'IPv6' : 'IPv4'
}

function setPairs(fields: Map<string, string>, field: string, pairs: { readonly [key: string]: string }): void {
  for (const key of Object.keys(pairs).toSorted()) fields.set(`${field}.${key}`, pairs[key] ?? '')
}
