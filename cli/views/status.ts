/** How the cluster's and the local agent's health is shown. */
import type { AgentStatus, ClusterStatus, Node, StoreMember } from '../../proto/index.ts'
import { alignedText, tableText } from '../table.ts'
import { isUnreachable, nodeView } from './node.ts'
import { countText, listText } from './text.ts'

/** What came of asking one of the two: its answer, or why there is none. */
export type Asked<T> = { readonly status: T } | { readonly error: string }

export interface Health {
  readonly controllerAddress: string
  readonly cluster: Asked<ClusterStatus>
  readonly agentPath: string
  /** undefined: no agent on this host. */
  readonly agent: Asked<AgentStatus> | undefined
}

/** Names and values, a line each, then the table of nodes. */
export function statusText({ controllerAddress, cluster, agentPath, agent }: Health, now: Date, wide: boolean): string {
  const rows = [
    ...('error' in cluster
      ? [['Controller', `${controllerAddress} ${cluster.error}`]]
      : clusterRows(cluster.status, controllerAddress, wide)),
    ['Agent', agentCell(agent, agentPath)],
    ...(agent && 'status' in agent ? agentProblems(agent.status).map((problem) => ['Problem', problem]) : []),
  ]
  const nodes = 'error' in cluster ? [] : cluster.status.nodes
  const table = nodes.length > 0 ? `\n${tableText(nodeView.columns, nodes, { now, wide })}` : ''
  return alignedText(rows.map(([name, ...cells]) => [`${name}:`, ...cells])) + table
}

function clusterRows(status: ClusterStatus, address: string, wide: boolean): string[][] {
  const { store, controllers } = status
  const warnings = status.warnings.map((warning) => ['Warning', warning])
  const members = wide ? (store?.members ?? []).map((member) => ['Etcd member', memberCell(member)]) : []
  const urls = listText(store?.urls ?? [])
  if (!store?.healthy) {
    const problem = store?.problem || 'the controller says nothing of it'
    const unknown = 'unknown, without the store'
    return [
      ['Cluster', status.clusterUid],
      ['Controller', `${address} answers`],
      ['Store', `FAILED: ${problem} (${urls})`],
      ...members,
      ['Nodes', unknown],
      ['Networks', unknown],
      ['Endpoints', unknown],
      ...warnings,
    ]
  }
  return [
    ['Cluster', status.clusterUid],
    ['Controller', `${address} answers, ${countText(controllers.length, 'controller')} in the cluster`],
    ['Store', `healthy, revision ${store.revision}, answers in ${store.latencyMs.toFixed(1)} ms (${urls})`],
    ...members,
    ...(wide ? [['Janitor', janitorCell(status)]] : []),
    ['Nodes', nodesCell(status.nodes)],
    ['Networks', String(status.networkCount)],
    ['Endpoints', String(status.endpointCount)],
    ...warnings,
  ]
}

function nodesCell(nodes: readonly Node[]): string {
  const missing = nodes.filter(isUnreachable).map(({ name }) => name)
  const drained = nodes.filter(({ status }) => status?.drain).map(({ name }) => name)
  return [
    `${nodes.length - missing.length} ready`,
    ...(missing.length > 0 ? [`${missing.length} UNREACHABLE: ${listText(missing)}`] : []),
    ...(drained.length > 0 ? [`${drained.length} drained: ${listText(drained)}`] : []),
  ].join(', ')
}

function memberCell({ name, url, leader, problem }: StoreMember): string {
  return `${name || 'unnamed'} (${url})${leader ? ', leader' : ''}${problem && ` FAILED: ${problem}`}`
}

/** Who may evict, and when. */
function janitorCell({ janitor, controllers }: ClusterStatus): string {
  if (!janitor) return 'none at the moment'
  const grace = controllers.find(({ id }) => id === janitor)?.nodeGrace
  // One whose registration has just run out has the office all the same.
  if (grace === undefined) return janitor
  return `${janitor}, ${grace > 0 ? `evicts nodes that are unreachable for ${grace} s` : 'never evicts nodes by itself'} (--node-grace ${grace})`
}

function agentCell(agent: Asked<AgentStatus> | undefined, path: string): string {
  if (!agent) return `none on this host (no socket ${path})`
  if ('error' in agent) return `${path} ${agent.error}`
  const { state, node, networks, localEndpointCount, remoteEndpointCount, openIntents } = agent.status
  const parts = [
    state === 'READY' ? 'ready' : state,
    `node ${node?.name ?? 'unknown'}`,
    `${countText(networks.length, 'network')} here`,
    `${countText(localEndpointCount, 'local endpoint')}, ${remoteEndpointCount} remote`,
  ]
  if (openIntents > 0) parts.push(countText(openIntents, 'open intent'))
  return parts.join(', ')
}

function agentProblems({ state, reason, problems }: AgentStatus): readonly string[] {
  return state === 'READY' ? problems : [reason, ...problems]
}
