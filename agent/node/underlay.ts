/** A running agent and its host's underlay: VTEP address and MTU follow what the host has. */
import { parseIp } from '../../lib/ip.ts'
import type { Store } from '../../store/store.ts'
import type { EndpointParts } from '../endpoint/parts.ts'
import { untilAnswered } from '../in-sync.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Self } from '../state/view.ts'
import type { Membership } from './membership.ts'
import type { NodeChange } from './registration.ts'
import { reviewVtep, type Vtep, type VtepChoice, vtepAtStart } from './vtep.ts'
import { type VtepWatch, watchVtep } from './vtep-watch.ts'

export interface UnderlayEvents {
  /** Before another address is tried: connections from the former one are dead. */
  readonly onOtherAddress: () => void
  /** What has changed in the node's record. */
  readonly onChange: (change: NodeChange) => void
}

/** What has changed is first written to the node's record, then planned. `choice` is what the flags say. */
export function followUnderlay(
  { store, kernel, view, reconciler, signal, log }: EndpointParts,
  membership: Pick<Membership, 'change'>,
  choice: VtepChoice,
  { onOtherAddress, onChange }: UnderlayEvents,
): VtepWatch {
  const current = () => vtepOf(view.self)
  return watchVtep({
    current,
    review: () => reviewVtep(kernel, choice, view.otherVteps(), current()),
    onOtherAddress() {
      store.reconnect()
      onOtherAddress()
    },
    async move({ address, mtu }) {
      const change = { vtepAddress: address, underlayMtu: mtu }
      await membership.change(change)
      onChange(change)
      reconciler.mark(view.setSelf({ vtep: address, underlayMtu: mtu }))
    },
    signal,
    log,
  })
}

export interface UnderlayAtStart {
  readonly vtep: Vtep
  /** The store has a record of this node, if only one that cannot be read. */
  readonly isRegistered: boolean
}

/**
 * Before the node enters the cluster, by what the store says of all nodes.
 * @throws OverlayError as `vtepAtStart`
 */
export async function underlayAtStart(
  { store, node, signal }: { readonly store: Store; readonly node: string; readonly signal: AbortSignal },
  kernel: Kernel,
  choice: VtepChoice,
): Promise<UnderlayAtStart> {
  const { entries, unreadable } = await untilAnswered(() => store.list(store.keys.nodes), signal)
  const vtepsOf = (own: boolean) =>
    entries.filter(({ value }) => (value.name === node) === own).map(({ value }) => parseIp(value.vtepAddress))
  const [own] = vtepsOf(true)
  const vtep = vtepAtStart(kernel, choice, vtepsOf(false), own)
  return { vtep, isRegistered: own !== undefined || unreadable.includes(store.keys.node(node).path) }
}

function vtepOf({ vtep: address, underlayMtu: mtu }: Self): Vtep {
  return { address, mtu }
}
