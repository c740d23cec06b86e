/** How it is shown what differs between kernels and store. */
import type { Deviation, Verification } from '../../proto/index.ts'

import { type Column, printable } from '../table.ts'
import { countText, shortId } from './text.ts'

/** `h1/link ovbr1048576`: one line for each object that differs. */
export function deviationNames({ node, deviations }: Verification): readonly string[] {
  return deviations.map(({ object }) => `${node}/${object}`)
}

/** As of diff(1), from what the kernel has to what the store says; an object a hunk. Empty when nothing differs. */
export function verificationText({ node, deviations, more }: Verification): string {
  if (deviations.length === 0) return ''
  const lines = [
    `--- ${node} kernel`,
    `+++ ${node} store`,
    ...deviations.flatMap(hunkLines),
    ...(more > 0 ? [` and ${countText(more, 'object')} more`] : []),
  ]
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function hunkLines(deviation: Deviation): readonly string[] {
  const { object, wanted, found, obstacle } = deviation
  const owner = ownerText(deviation)
  return [
    `@@ ${object} @@ ${stateText(deviation)}${owner && `, ${owner}`}`,
    ...found.map((line) => `-${line}`),
    ...wanted.map((line) => `+${line}`),
    ...(obstacle ? [` not mended: ${obstacle}`] : []),
  ]
}

/** `3 nodes, 214 objects: all as it should be`, or all else, beside what is awaited. */
export function cleanText(verifications: readonly Verification[]): string {
  const objects = verifications.reduce((sum, one) => sum + one.objects, 0)
  const all = verifications.some(({ awaited }) => awaited.length > 0) ? 'all else is' : 'all'
  return `${countText(verifications.length, 'node')}, ${countText(objects, 'object')}: ${all} as it should be\n`
}

/** What an agent would do, in its order. */
export const planColumns: readonly Column<Deviation>[] = [
  { heading: 'OPERATION', cell: ({ kind }) => (kind === 'SURPLUS' ? 'delete' : 'put') },
  { heading: 'OBJECT', cell: ({ object }) => object },
  { heading: 'BECAUSE', cell: becauseText },
  { heading: 'OF', cell: ownerText },
  { heading: 'HELD BACK', cell: ({ obstacle }) => obstacle },
]

function becauseText(deviation: Deviation): string {
  if (deviation.kind !== 'DIFFERENT') return stateText(deviation)
  return [...deviation.found.map((line) => `-${line}`), ...deviation.wanted.map((line) => `+${line}`)].join(' ')
}

function stateText({ kind }: Deviation): string {
  switch (kind) {
    case 'MISSING':
      return 'missing'
    case 'SURPLUS':
      return 'should not be'
    case 'DIFFERENT':
    case 'KIND_UNSPECIFIED':
      return 'different'
  }
}

function ownerText({ network, endpointId }: Deviation): string {
  if (endpointId) return `endpoint ${shortId(endpointId)} of ${network}`
  return network && `network ${network}`
}
