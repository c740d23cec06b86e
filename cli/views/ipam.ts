/** How the use of addresses, what a check found of them, and their history are shown. */
import {
  AddressTenure,
  type Finding,
  type RepairOutcome,
  type ShowIpamResponse,
  type SubnetUsage,
} from '../../proto/index.ts'
import type { ListView } from '../output.ts'
import { type Column, tableText } from '../table.ts'
import { shortId } from './text.ts'

/** A subnet of some network: a row of `ipam show`. */
export interface ShownSubnet {
  readonly network: string
  readonly ipRange: string
  readonly usage: SubnetUsage
}

/** In the order of the answer; what has no usage says nothing. */
export function subnetsOf({ network, subnets }: ShowIpamResponse): ShownSubnet[] {
  return subnets.flatMap(({ usage, ipRange }) => (usage ? [{ network: network?.name ?? '', ipRange, usage }] : []))
}

export const subnetColumns: readonly Column<ShownSubnet>[] = [
  { heading: 'NETWORK', cell: ({ network }) => network },
  { heading: 'SUBNET', cell: ({ usage }) => usage.cidr },
  { heading: 'RANGE', cell: ({ ipRange }) => ipRange, wide: true },
  { heading: 'USED', cell: ({ usage }) => String(usage.used) },
  { heading: 'RESERVED', cell: ({ usage }) => String(usage.reserved) },
  { heading: 'QUARANTINED', cell: ({ usage }) => String(usage.quarantined) },
  { heading: 'FREE', cell: ({ usage }) => countOfDigits(usage.free) },
  { heading: 'FREE IN RANGE', cell: ({ usage }) => countOfDigits(usage.freeInRange), wide: true },
  { heading: 'FULL', cell: ({ usage }) => `${barText(usage.percentUsed)} ${percentText(usage.percentUsed)}` },
]

/** Ten characters: `[###.......]`. What is not empty is not shown as empty, what is not full not as full. */
export function barText(percent: number): string {
  const rounded = Math.round(percent / 10)
  const filled = percent >= 100 ? 10 : percent > 0 ? Math.min(9, Math.max(1, rounded)) : 0
  return `[${'#'.repeat(filled)}${'.'.repeat(10 - filled)}]`
}

/** `0 %`, `<0.1 %`, `93.5 %`, `100 %`; never 100 before it is. */
export function percentText(percent: number): string {
  if (percent <= 0) return '0 %'
  if (percent < 0.1) return '<0.1 %'
  if (percent >= 100) return '100 %'
  return `${Math.min(99.9, Number(percent.toFixed(1)))} %`
}

/** A decimal number for people: from a thousand million million on, only its size, as in `1.8e19`. */
export function countOfDigits(digits: string): string {
  const [first = '', second = '0'] = digits
  return digits.length > 15 ? `${first}.${second}e${digits.length - 1}` : digits
}

export const tenureView: ListView<AddressTenure> = {
  json: (held) => AddressTenure.toJson(held),
  name: ({ tenure }) => tenure?.endpointId ?? '',
  columns: [
    { heading: 'NETWORK', cell: ({ network }) => network },
    { heading: 'ADDRESS', cell: ({ tenure }) => tenure?.address ?? '' },
    { heading: 'ENDPOINT', cell: ({ tenure }) => shortId(tenure?.endpointId ?? '') },
    { heading: 'NAME', cell: ({ tenure }) => tenure?.name ?? '' },
    { heading: 'NODE', cell: ({ tenure }) => tenure?.node ?? '' },
    { heading: 'MAC', cell: ({ tenure }) => tenure?.mac ?? '' },
    { heading: 'FROM', cell: ({ tenure }) => tenure?.claimedAt ?? '' },
    { heading: 'UNTIL', cell: ({ tenure }) => tenure?.releasedAt || 'now' },
    { heading: 'END', cell: ({ tenure }) => (tenure?.releasedAt ? tenure.end.toLowerCase() : '') },
    { heading: 'FULL ID', cell: ({ tenure }) => tenure?.endpointId ?? '', wide: true },
  ],
  hint: 'nobody held that address, as far as the journal goes back',
}

const findingColumns = [
  { heading: 'KIND', cell: (finding: Finding) => kindText(finding) },
  { heading: 'NETWORK', cell: ({ network }: Finding) => network },
  { heading: 'SUBJECT', cell: (finding: Finding) => subjectText(finding) },
  { heading: 'NODE', cell: ({ node }: Finding) => node },
] as const

const none = { now: new Date(0), wide: false } as const

export function findingsText(findings: readonly Finding[]): string {
  return tableText([...findingColumns, { heading: 'PROBLEM', cell: ({ problem }) => problem }], findings, none)
}

/** Beside each finding what would be done. */
export function planText(findings: readonly Finding[]): string {
  return tableText(
    [
      ...findingColumns,
      { heading: 'PROBLEM', cell: ({ problem }) => problem },
      { heading: 'REPAIR', cell: ({ repair }) => repair || 'left to a person' },
    ],
    findings,
    none,
  )
}

/** What became of each finding. */
export function outcomesText(findings: readonly Finding[], outcomes: readonly RepairOutcome[]): string {
  const rows = findings.map((finding, at) => ({ finding, outcome: outcomes[at] }))
  return tableText(
    [
      ...findingColumns.map(({ heading, cell }) => ({
        heading,
        cell: ({ finding }: (typeof rows)[number]) => cell(finding),
      })),
      { heading: 'OUTCOME', cell: ({ outcome }) => outcome?.state.toLowerCase() ?? '' },
      { heading: 'WHY', cell: ({ outcome }) => outcome?.problem ?? '' },
    ],
    rows,
    none,
  )
}

/** One word per kind, for -o name: `owner-without-endpoint/web/10.0.9.7`. */
export function findingName(finding: Finding): string {
  return [
    kindText(finding).replaceAll(' ', '-'),
    finding.network,
    finding.subject || finding.endpointId || finding.node,
  ]
    .filter(Boolean)
    .join('/')
}

function kindText({ kind }: Finding): string {
  return kind.toLowerCase().replaceAll('_', ' ')
}

function subjectText({ subject, endpointId }: Finding): string {
  return [subject, endpointId && `endpoint ${shortId(endpointId)}`].filter(Boolean).join(', ')
}
