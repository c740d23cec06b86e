/** What attach, detach and settle work with. */
import type { Logger } from '../../lib/log.ts'
import type { Quarantine } from '../../store/quarantine.ts'
import type { Store } from '../../store/store.ts'
import type { Guard } from '../guard.ts'
import type { AddressPool } from '../ipam/address-pool.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { KeyedQueue } from '../keyed-queue.ts'
import type { Registration } from '../node/registration.ts'
import type { StoreHealth } from '../node/store-health.ts'
import type { Reconciler } from '../reconciler.ts'
import type { Sync } from '../view/sync.ts'
import type { View } from '../view/view.ts'
import type { Ifnames } from './ifnames.ts'
import type { Intents } from './intents.ts'
import type { VanishedSandboxes } from './vanished.ts'

export interface EndpointParts {
  readonly store: Store
  /** The same, for claims: those that are under way at once go together (see group-commit.ts). */
  readonly claimStore: Store
  readonly health: StoreHealth
  readonly guard: Guard
  readonly view: View
  readonly sync: Sync
  readonly reconciler: Reconciler
  readonly kernel: Kernel
  /** @throws OverlayError `failed_precondition` while the node is not registered. */
  readonly registration: () => Registration
  readonly pool: AddressPool
  readonly quarantine: Quarantine
  readonly intents: Intents
  readonly vanished: VanishedSandboxes
  /** Names of the interfaces that are being attached. */
  readonly ifnames: Ifnames
  /** Endpoints whose intents are being settled, so that it is done once. */
  readonly settling: Set<string>
  /** One turn per network: attach, detach, and the view's clean-up. */
  readonly turns: KeyedQueue
  /** 32 hex digits. */
  readonly newId: () => string
  readonly signal: AbortSignal
  readonly log: Logger
}
