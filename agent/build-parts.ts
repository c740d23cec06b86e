/** Puts together what a registered agent works with. Nothing is started by it. */
import { randomBytes } from 'node:crypto'
import type { Logger } from '../lib/log.ts'
import { grouping } from '../store/group-commit.ts'
import { createQuarantine } from '../store/quarantine.ts'
import type { Store } from '../store/store.ts'
import type { Finding } from './drift/drift.ts'
import { sandboxesOf } from './drift/sandboxes.ts'
import { createIfnames } from './endpoint/ifnames.ts'
import { createIntents } from './endpoint/intents.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { settleAll } from './endpoint/settle.ts'
import { dropIfUnused } from './endpoint/take-down.ts'
import { createVanished } from './endpoint/vanished.ts'
import type { Guard } from './guard.ts'
import { createAddressPool } from './ipam/address-pool.ts'
import type { Kernel } from './kernel/kernel.ts'
import { createKeyedQueue } from './keyed-queue.ts'
import type { Membership } from './node/membership.ts'
import type { StateDir } from './node/state-dir.ts'
import { createStoreHealth } from './node/store-health.ts'
import { plan } from './plan.ts'
import { Reconciler } from './reconciler.ts'
import { ownerOf } from './state/device-names.ts'
import type { Self } from './state/view.ts'
import { Sync } from './view/sync.ts'
import { View } from './view/view.ts'

/** As many as get their answers within seconds, before their callers have given up. */
const waitingCallers = { mostOfKey: 500, most: 1_000 }

export interface Ingredients {
  readonly store: Store
  readonly stateDir: StateDir
  readonly guard: Guard
  readonly kernel: Kernel
  readonly self: Self
  readonly membership: Membership
  /** How long an endpoint outlives its sandbox, in seconds. */
  readonly sandboxGrace: number
  readonly onHistoryBroken: (sync: Sync) => void
  /** Told of what somebody else changed in the kernel, when it is mended. */
  readonly onMended: (findings: readonly Finding[]) => void
  readonly signal: AbortSignal
  readonly log: Logger
}

export function buildParts(ingredients: Ingredients): EndpointParts {
  const { store, stateDir, guard, kernel, self, membership, sandboxGrace, onHistoryBroken, onMended, signal, log } =
    ingredients
  const now = () => performance.now()
  const view = new View(self, ({ network, addresses }) => {
    for (const ip of addresses) parts.pool.noteGone(network, ip)
  })
  const reconciler = new Reconciler({
    kernel,
    plan: (key) => {
      parts.vanished.look(key)
      return plan(view, key)
    },
    keys: () => view.keys(),
    ownerOf: (item) => ownerOf(self.clusterUid, item),
    sandboxes: () => sandboxesOf(view),
    held: () => guard.holdsBack(),
    onMended,
    signal,
    log,
  })
  const health = createStoreHealth(store, signal, log, () => {
    settleAll(parts).catch((error: unknown) => log.error({ err: error }, 'settling failed'))
  })
  const sync: Sync = new Sync({
    store,
    view,
    guard,
    signal,
    log,
    generation: membership.generation,
    onDirty: (keys) => reconciler.mark(keys),
    onUnneeded: (network) => void parts.turns.run(network, async () => dropIfUnused(parts, network)),
    onOwnNode: (entry) => membership.ownNodeSeen(entry),
    onHistoryBroken: () => onHistoryBroken(sync),
    onLost: (error) => health.note(error),
    // Nobody catches it: the process ends, and when it is started anew it adopts what it finds.
    onFailed: (error) => {
      throw error
    },
  })
  const parts: EndpointParts = {
    store,
    claimStore: grouping(store),
    health,
    guard,
    view,
    sync,
    reconciler,
    kernel,
    registration: membership.registration,
    pool: createAddressPool({ store, node: self.node, ownerOf: (network, ip) => view.ownerOf(network, ip), now }),
    quarantine: createQuarantine(store, now),
    intents: createIntents(stateDir, (network, id, open) => view.setOpenIntent(network, id, open)),
    vanished: createVanished({ parts: () => parts, grace: sandboxGrace * 1_000, now }),
    ifnames: createIfnames(),
    settling: new Set(),
    turns: createKeyedQueue(waitingCallers),
    newId: () => randomBytes(16).toString('hex'),
    signal,
    log,
  }
  return parts
}
