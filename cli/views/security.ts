/** How the cluster's authorities, certificates and control plane are shown. */
import type { AuthorityStatus, ClusterStatus, ControlPlaneMember, Identity, SecurityStatus } from '../../proto/index.ts'
import { alignedText, type Column, tableText } from '../table.ts'
import { isUnreachable } from './node.ts'
import { countText, listText } from './text.ts'

/** Of a certificate's life: by then it has been renewed, if all is well (see lib/pki/due.ts). */
const renewalShare = 3 / 4

/** `2026-03-02 11:00 UTC`; text that is no time stays. */
export function timeText(time: string): string {
  const at = Date.parse(time)
  return Number.isNaN(at) ? time : `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** How long until then, roughly: `in 12 d`, `in 40 s`, `expired`. */
export function remainingText(notAfter: string, now: Date): string {
  const seconds = Math.floor((Date.parse(notAfter) - now.getTime()) / 1000)
  if (Number.isNaN(seconds)) return ''
  if (seconds < 0) return 'expired'
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
  ] as const
  const [size, unit] = units.find(([one]) => seconds >= 2 * one) ?? [1, 's']
  return `in ${Math.floor(seconds / size)} ${unit}`
}

/** Times in milliseconds. */
function isOverdue(from: number, to: number, now: number): boolean {
  return now > from + (to - from) * renewalShare
}

/** A certificate, wherever it is. */
export interface CertificateRow {
  /** ROLE/NAME, or the path of a file. */
  readonly holder: string
  /** Identity or authority. */
  readonly id: string
  readonly notAfter: string
  /** Id of the authority that signed it. */
  readonly authority: string
  readonly problem: string
}

export const certificateColumns: readonly Column<CertificateRow>[] = [
  { heading: 'CERTIFICATE', cell: ({ holder }) => holder },
  { heading: 'ID', cell: ({ id }) => id },
  { heading: 'EXPIRES', cell: ({ notAfter }) => timeText(notAfter) },
  { heading: 'LEFT', cell: ({ notAfter }, now) => remainingText(notAfter, now) },
  { heading: 'AUTHORITY', cell: ({ authority }) => authority },
  { heading: 'NOTE', cell: ({ problem }) => problem },
]

/** The cluster's certificates, those that end first at the top. */
export function certificateRows({ authorities, identities }: SecurityStatus, now: Date): readonly CertificateRow[] {
  return [
    ...authorities.map((authority) => ({
      holder: 'authority',
      id: authority.id,
      notAfter: authority.notAfter,
      authority: authority.id,
      problem: authority.state.toLowerCase(),
    })),
    ...identities.map((identity) => ({
      holder: `${identity.role}/${identity.name}`,
      id: identity.id,
      notAfter: identity.notAfter,
      authority: identity.authority,
      problem: identityProblem(identity, now),
    })),
  ].toSorted((a, b) => Date.parse(a.notAfter) - Date.parse(b.notAfter))
}

function identityProblem({ issuedAt, notAfter }: Identity, now: Date): string {
  const end = Date.parse(notAfter)
  if (end < now.getTime()) return 'expired'
  return isOverdue(Date.parse(issuedAt), end, now.getTime()) ? 'renewal is overdue' : ''
}

/** Names and values, a line each, then the tables of members and certificates that want attention. */
export function clusterText(security: SecurityStatus, cluster: ClusterStatus, now: Date): string {
  const { store, controllers, nodes } = cluster
  const missing = nodes.filter(isUnreachable).map(({ name }) => name)
  const rows = [
    ['Cluster', cluster.clusterUid],
    ['Control plane', controlPlaneText(security)],
    ['Controllers', controllers.map(({ address }) => address).join(', ')],
    [
      'Store',
      store?.healthy ? `healthy, revision ${store.revision}` : `FAILED: ${store?.problem ?? 'nothing is known of it'}`,
    ],
    [
      'Nodes',
      `${nodes.length - missing.length} ready${missing.length > 0 ? `, ${missing.length} UNREACHABLE: ${listText(missing)}` : ''}`,
    ],
    ...security.authorities.map((authority) => ['Authority', authorityText(authority)]),
    ...security.waitingFor.map((name) => ['Rotation waits for', name]),
    ['Certificates', certificatesText(security.identities, now)],
    ['Access to etcd', accessText(security)],
    ...security.problems.map((problem) => ['Problem', problem]),
  ]
  const table =
    security.members.length > 0 ? `\n${tableText(memberColumns, security.members, { now, wide: true })}` : ''
  return alignedText(rows.map(([name, ...cells]) => [`${name}:`, ...cells])) + table
}

const memberColumns: readonly Column<ControlPlaneMember>[] = [
  { heading: 'MEMBER', cell: ({ name }) => name },
  { heading: 'ROLE', cell: ({ learner, leader }) => (learner ? 'learner' : leader ? 'leader' : 'voter') },
  { heading: 'CLIENTS', cell: ({ clientUrl }) => clientUrl },
  { heading: 'PEERS', cell: ({ peerUrl }) => peerUrl },
  { heading: 'HEALTH', cell: ({ problem }) => problem || 'healthy' },
]

function controlPlaneText({ members, externalEtcd }: SecurityStatus): string {
  if (externalEtcd) return 'etcd is run by somebody else'
  const voters = members.filter(({ learner }) => !learner).length
  const spare = Math.max(0, Math.ceil(voters / 2) - 1)
  return `${countText(voters, 'voter')}, ${spare === 0 ? 'none of which may fail' : `${spare} of which may fail`}`
}

function authorityText({ id, state, notAfter, certificates }: AuthorityStatus): string {
  return `${id} ${state.toLowerCase()}, ${countText(certificates, 'certificate')}, expires ${timeText(notAfter)}`
}

function certificatesText(identities: readonly Identity[], now: Date): string {
  const [next] = identities.toSorted((a, b) => Date.parse(a.notAfter) - Date.parse(b.notAfter))
  if (!next) return 'none'
  return `${identities.length}, the first to end is that of ${next.role}/${next.name}, ${remainingText(next.notAfter, now)}`
}

function accessText({ externalEtcd, problems }: SecurityStatus): string {
  if (externalEtcd) return 'not looked at: somebody else runs etcd'
  return problems.length === 0 ? 'verified' : 'see the problems'
}
