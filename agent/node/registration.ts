/** This node's record in the store, and what every transaction of the agent is fenced by. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { Init, Node } from '../../proto/index.ts'
import {
  absent,
  type Compare,
  type Entry,
  put,
  rangeEmpty,
  rangeUnchanged,
  type Store,
  unchanged,
} from '../../store/store.ts'

export interface Registration {
  /** Create revision of the node's record: another one means that the node was evicted in between. */
  generation(): number
  /**
   * Holds while the record is as we last knew it, and so only within one
   * generation. What was sent under it cannot commit any more after `fence`.
   */
  compare(): Compare
  /** The record as it was seen in the store; older ones than known, and other generations, are passed over. */
  seen(entry: Entry<Node>): void
  /**
   * Writes what is another since.
   * @throws OverlayError `already_exists` when the VTEP address is another node's,
   * `failed_precondition` when the node was evicted, `conflict` when it is worth
   * another attempt.
   */
  change(change: NodeChange): Promise<void>
  /**
   * Writes the record anew: no transaction that is still on its way can commit
   * afterwards.
   * @throws OverlayError `failed_precondition` when the node was evicted,
   * `conflict` when the store went back.
   */
  fence(): Promise<void>
}

/** What may change of a node while its agent runs. */
export type NodeChange = Pick<Node, 'vtepAddress' | 'underlayMtu'>

/** Nodes are written seldom. */
const changeAttempts = 5

/**
 * Registers the node, or finds it registered. `onTwins` is told which other nodes
 * have its machine id, as clones of one image do: what is derived from it (DHCP
 * leases, MACs that udev makes) is the same on them.
 * @throws OverlayError `already_exists` when the name or the VTEP address is
 * another host's; `conflict` when it is worth another attempt.
 */
export async function register(
  store: Store,
  node: Init<Node> & { name: string; uid: string },
  onTwins: (names: readonly string[]) => void = () => undefined,
): Promise<Registration> {
  const { keys } = store
  const { entries, revision } = await store.list(keys.nodes)
  const own = entries.find(({ value }) => value.name === node.name)
  refuseDuplicates(
    node,
    own?.value,
    entries.map(({ value }) => value),
  )
  const twins = entries.filter(({ value }) => value.name !== node.name && value.machineId === node.machineId)
  if (node.machineId && twins.length > 0) onTwins(twins.map(({ value }) => value.name))
  if (own && isUpToDate(own.value, node)) return registration(store, own)
  const fresh = { ...node, registeredAt: own?.value.registeredAt ?? new Date().toISOString() }
  const outcome = await store.commit({
    compares: [
      rangeUnchanged(keys.nodes, revision),
      ...(own ? [unchanged(own)] : [absent(keys.node(node.name)), rangeEmpty(keys.placements(node.name))]),
    ],
    writes: [put(keys.node(node.name), fresh, { over: own })],
  })
  const entry = outcome.committed ? await store.get(keys.node(node.name)) : undefined
  if (entry) return registration(store, entry)
  throw new OverlayError(
    'conflict',
    own
      ? `the nodes changed while ${node.name} was registered`
      : `the nodes changed, or endpoints of a former node ${node.name} are not released yet`,
  )
}

function registration(store: Store, first: Entry<Node>): Registration {
  let record = first
  const seen = (entry: Entry<Node>) => {
    if (entry.createRevision === record.createRevision && entry.modRevision > record.modRevision) record = entry
  }
  const change = async (changed: NodeChange): Promise<boolean> => {
    const { entries, revision } = await store.list(store.keys.nodes)
    const own = entries.find(({ value }) => value.name === record.value.name)
    if (own?.createRevision !== record.createRevision) throw evicted(record.value.name)
    seen(own)
    const value = { ...own.value, ...changed }
    refuseDuplicates(
      value,
      own.value,
      entries.map((entry) => entry.value),
    )
    const outcome = await store.commit({
      compares: [rangeUnchanged(store.keys.nodes, revision), unchanged(own)],
      writes: [put(store.keys.node(value.name), value, { over: own })],
    })
    if (outcome.committed) seen({ ...own, value, modRevision: outcome.revision })
    return outcome.committed
  }
  return {
    generation: () => record.createRevision,
    compare: () => unchanged(record),
    seen,
    async change(changed) {
      for (let attempt = 0; attempt < changeAttempts; attempt++) if (await change(changed)) return
      throw new OverlayError('conflict', `the nodes changed while ${record.value.name} was changed`)
    },
    async fence() {
      const key = store.keys.node(record.value.name)
      for (;;) {
        const sent = record
        const outcome = await store.commit({
          compares: [unchanged(sent)],
          writes: [put(key, sent.value, { over: sent })],
        })
        if (outcome.committed) return seen({ ...sent, modRevision: outcome.revision })
        const now = await store.get(key)
        if (now?.createRevision !== record.createRevision) throw evicted(record.value.name)
        // To be sent again only with what is newer: an older one is what a store has that went back.
        if (now.modRevision <= sent.modRevision)
          throw new OverlayError('conflict', `the store has an older record of node ${record.value.name} than it had`)
        seen(now)
      }
    },
  }
}

export function evicted(node: string): OverlayError {
  return new OverlayError(
    'failed_precondition',
    `node ${node} was removed from the cluster; its agent registers anew by itself, then try again`,
  )
}

/** Whether it pays to try to register again. */
export function isPassing(error: unknown): boolean {
  return hasCode(error, 'conflict') || hasCode(error, 'unavailable')
}

function refuseDuplicates(node: Init<Node>, own: Node | undefined, all: readonly Node[]): void {
  if (own && own.uid !== node.uid)
    throw new OverlayError(
      'already_exists',
      `node name "${node.name}" belongs to another host (VTEP ${own.vtepAddress}): give this one another --node, or, if that host is gone for good, run "overlayctl node rm ${node.name}"`,
    )
  const twin = all.find(({ name, vtepAddress }) => name !== node.name && vtepAddress === node.vtepAddress)
  if (twin)
    throw new OverlayError(
      'already_exists',
      `VTEP address ${node.vtepAddress} is already that of node ${twin.name}: give --vtep-address or --vtep-interface so that each host has its own, or, if that host is gone for good, run "overlayctl node rm ${twin.name}"`,
    )
}

function isUpToDate(known: Node, wanted: Init<Node>): boolean {
  const fields = ['vtepAddress', 'underlayMtu', 'version', 'bootId', 'machineId', 'sessionTtl'] as const
  const { sessionTtl = known.sessionTtl } = wanted
  return fields.every((field) => known[field] === { ...wanted, sessionTtl }[field])
}
