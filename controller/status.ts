/** The cluster at a glance. */
import { OverlayError } from '../lib/errors.ts'
import { within } from '../lib/within.ts'
import { ClusterStatus, type Controller, type Node, type StoreMember } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import { janitorOffice } from './janitor.ts'
import { listNodes } from './nodes/list.ts'
import type { Warnings } from './warnings/warnings.ts'

/**
 * A store that has not answered after so many milliseconds is not healthy. One
 * that takes 2 s for each call is: it is worked with.
 */
const patience = 4_000
/** Less: the others' answers are not to be lost with that of one. */
const patienceWithEach = 2_500
/** Warnings in one answer, of networks and of nodes. */
const mostWarnings = 100
const mostNodes = 20

export interface StatusOptions {
  readonly store: Store
  readonly warnings: Pick<Warnings, 'all' | 'count'>
  readonly clusterUid: string
  readonly controllerId: string
}

/** Answered also without the store, which then is what is wrong. */
export async function clusterStatus(options: StatusOptions): Promise<ClusterStatus> {
  const { store, warnings, clusterUid, controllerId } = options
  const known = { clusterUid, controllerId }
  const urls = [...store.urls]
  const late = new OverlayError('unavailable', `the store has not answered within ${patience} ms`)
  const [seen, members] = await Promise.all([
    within(ask(store), patience, late).catch((error: unknown) => OverlayError.from(error)),
    // What keeps it from being known is what is wrong with the store.
    within(store.members(patienceWithEach), patience, late).catch(() => []),
  ])
  const ofMembers = memberLines(members)
  const ofNetworks = warningLines(warnings)
  if (seen instanceof OverlayError)
    return ClusterStatus.create({
      ...known,
      store: { healthy: false, urls, problem: seen.message, members },
      warnings: [...ofMembers, ...ofNetworks],
    })
  const { revision, latencyMs, janitor, ...counted } = seen
  const ofNodes = [
    ...unreachableLines(counted.nodes, janitor),
    ...cloneLines(counted.nodes),
    ...graceLines(counted.controllers, janitor),
  ]
  return ClusterStatus.create({
    ...known,
    ...counted,
    store: { healthy: true, urls, revision, latencyMs, members },
    janitor: janitor?.id ?? '',
    warnings: [...ofMembers, ...ofNodes, ...ofNetworks],
  })
}

async function ask(store: Store) {
  const { keys } = store
  const [{ revision, milliseconds }, controllers, janitor, nodes, networkCount, endpointCount] = await Promise.all([
    store.probe(),
    store.list(keys.controllers),
    janitorOf(store),
    listNodes(store),
    store.count(keys.networks),
    store.count(keys.allEndpoints),
  ])
  return {
    revision,
    latencyMs: milliseconds,
    controllers: controllers.entries.map((entry) => entry.value),
    janitor,
    nodes,
    networkCount,
    endpointCount,
  }
}

/** Undefined also when its record cannot be read. */
async function janitorOf(store: Store): Promise<Controller | undefined> {
  const { path, type } = store.keys.leader(janitorOffice)
  return (await store.list({ prefix: path, type })).entries.find((entry) => entry.path === path)?.value
}

/** Of those with a problem. */
export function memberLines(members: readonly StoreMember[]): string[] {
  return members.flatMap(({ name, url, problem }) =>
    problem ? [`etcd member ${name ? `${name} (${url})` : url}: ${problem}`] : [],
  )
}

/** What becomes of unreachable nodes: nothing by itself, unless the janitor was told to evict them. */
export function unreachableLines(nodes: readonly Node[], janitor: Controller | undefined): string[] {
  const names = nodes.filter(({ status }) => status?.state === 'UNREACHABLE').map(({ name }) => name)
  const grace = janitor?.nodeGrace ?? 0
  const fate =
    grace > 0
      ? `it is evicted, and its addresses are released, when it has been so for ${grace} s (--node-grace). To do that now`
      : 'nothing of it is removed. If it is gone for good'
  const lines = names
    .slice(0, mostNodes)
    .map((name) => `${name} is unreachable since its session ended; ${fate}: overlayctl node rm ${name}`)
  const more = names.length - lines.length
  return more > 0 ? [...lines, `and ${more} more nodes are unreachable: overlayctl node ls tells which`] : lines
}

/**
 * Hosts that were made of one image with its machine id: whatever else goes by
 * it, such as DHCP leases and udev's MACs, is the same on them. Nodes of one boot
 * are namespaces of one host, and share it by right.
 */
export function cloneLines(nodes: readonly Node[]): string[] {
  const lines: string[] = []
  const first = new Map<string, Node>()
  for (const node of nodes) {
    const { name, machineId, bootId } = node
    const twin = first.get(machineId)
    if (machineId === '') continue
    if (!twin) first.set(machineId, node)
    else if (twin.bootId !== bootId)
      lines.push(
        `${name} has the machine id of ${twin.name}, as clones of one image do: empty /etc/machine-id on it, run systemd-machine-id-setup, and reboot it`,
      )
  }
  return lines.slice(0, mostNodes)
}

/** Which controller is the janitor is chance: they should agree on what it does. */
export function graceLines(controllers: readonly Controller[], janitor: Controller | undefined): string[] {
  if (new Set(controllers.map(({ nodeGrace }) => nodeGrace)).size < 2) return []
  const each = controllers.map(({ id, nodeGrace }) => `${id} has ${nodeGrace} s`).join(', ')
  const now = janitor ? `; that of the janitor counts, now ${janitor.id}` : ''
  return [`the controllers differ in --node-grace: ${each}${now}; give all of them the same`]
}

/** One each; of too many the first, and how many there are. */
export function warningLines(warnings: Pick<Warnings, 'all' | 'count'>): string[] {
  const lines = warnings.all(mostWarnings).map(({ network, message }) => `network ${network}: ${message}`)
  const more = warnings.count - lines.length
  return more > 0 ? [...lines, `and ${more} more: overlayctl inspect tells those of a network`] : lines
}
