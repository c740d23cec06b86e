/** What differs of one object, as it is told to people and programs. */
import { Deviation, type DeviationKind } from '../../proto/index.ts'
import type { Operation } from '../kernel/kernel.ts'
import { differences } from '../state/differences.ts'
import { type AnyItem, type Difference, itemId } from '../state/item.ts'
import { type Key, partsOf } from '../state/key.ts'

export interface Deviating {
  /** What mends it. */
  readonly operation: Operation
  /** As it was found; undefined: it was missing. */
  readonly found: AnyItem | undefined
  /** Whose it is. */
  readonly key: Key
  /** How it differs, where that is not what the operation would mend. */
  readonly leftAlone?: readonly Difference[]
}

export function deviationOf(deviating: Deviating, more: { obstacle?: string; times?: number } = {}) {
  const { operation, found, key } = deviating
  const { wanted, found: lines } = linesOf(deviating)
  return Deviation.create({
    kind: kindOf(operation, found),
    object: itemId(operation.item),
    ...ownerOf(key),
    wanted,
    found: lines,
    ...more,
  })
}

function kindOf({ do: what }: Operation, found: AnyItem | undefined): DeviationKind {
  if (what === 'delete') return 'SURPLUS'
  return found ? 'DIFFERENT' : 'MISSING'
}

function ownerOf(key: Key): { network?: string; endpointId?: string } {
  const parts = partsOf(key)
  if (parts.kind === 'network') return { network: parts.network }
  if (parts.kind === 'endpoint') return { network: parts.network, endpointId: parts.id }
  return {}
}

function linesOf({ operation: { do: what, item }, found, leftAlone }: Deviating) {
  if (what === 'delete') return { wanted: [], found: fieldLines(item) }
  if (!found) return { wanted: fieldLines(item), found: [] }
  const differing = leftAlone ?? differences(found, item)
  return {
    wanted: differing.flatMap(({ what: field, wanted }) => (wanted ? [`${field} ${wanted}`] : [])),
    found: differing.flatMap((one) => (one.found ? [`${one.what} ${one.found}`] : [])),
  }
}

/** All of an object but what its name tells: `FIELD VALUE`, what is inside a sandbox as `FIELD inside VALUE`. */
function fieldLines(item: AnyItem): readonly string[] {
  const { kind: _, faults: __, inside = {}, ...fields } = { faults: undefined, inside: undefined, ...item }
  const named = new Set(itemId(item).split(' '))
  return [
    ...Object.entries(fields).flatMap(([field, value]) => (named.has(String(value)) ? [] : lines(field, value))),
    ...Object.entries(inside).flatMap(([field, value]) => lines(`${singular.get(field) ?? field} inside`, value)),
  ]
}

/** Of fields with several values each has a line. */
const singular: ReadonlyMap<string, string> = new Map([
  ['addresses', 'address'],
  ['gateways', 'gateway'],
])

function lines(field: string, value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one: unknown) => lines(field, one))
  if (typeof value === 'string') return value === '' ? [] : [`${field} ${value}`]
  if (typeof value === 'number' || typeof value === 'boolean') return [`${field} ${value}`]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, one]) => lines(`${field} ${name}`, one))
}
