/** What an agent is made of, and what it does for others. */
import type { Logger } from '../lib/log.ts'
import type { AgentStatus, DetachRequest, DetachResponse, ResyncRequest, ResyncResponse } from '../proto/index.ts'
import type { Store } from '../store/store.ts'
import type { Repairs } from './drift/repairs.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import type { Kernel } from './kernel/kernel.ts'
import type { LinuxKernelOptions } from './kernel/linux.ts'
import type { Resolver } from './node/host-routes.ts'
import type { StateDir } from './node/state-dir.ts'
import type { AgentOptions } from './options.ts'

export interface AgentParts {
  readonly options: AgentOptions
  readonly store: Store
  readonly stateDir: StateDir
  /** What is known of this node before it has a VTEP address. */
  readonly identity: {
    readonly uid: string
    readonly bootId: string
    readonly machineId: string
    readonly version: string
  }
  /** Called once the cluster is known: objects of other clusters are not ours. */
  readonly createKernel: (options: LinuxKernelOptions) => Kernel
  /** The name servers that this host asks now. */
  readonly readResolvers: () => readonly Resolver[]
  /** Called when the agent waits for somebody to say that the store, which went back, is to be believed. */
  readonly onHolding?: () => void
  /** What is amiss with certificates and the like, for people. */
  readonly otherProblems?: () => readonly string[]
  readonly signal: AbortSignal
  readonly log: Logger
}

export interface Agent {
  /** @throws OverlayError `unavailable` until the agent is in sync. */
  readonly parts: () => EndpointParts
  readonly status: () => AgentStatus
  /** Its state and the reason for it: what takes no time to tell. */
  readonly state: () => Pick<AgentStatus, 'state' | 'reason'>
  /** Listens to what is mended. @returns how to end that. */
  readonly onRepairs: Repairs['onTold']
  /** Listens for another VTEP address of this host, before it is the node's. @returns how to end that. */
  readonly onOtherAddress: (listener: () => void) => () => void
  /** Also while it is not in sync, by what the kernel shows. */
  readonly detach: (request: DetachRequest, caller?: AbortSignal) => Promise<DetachResponse>
  /** Believes a store whose history went back; also while it is not in sync. */
  readonly resync: (request: ResyncRequest, caller?: AbortSignal) => Promise<ResyncResponse>
  /**
   * Gets in sync and keeps the kernel as planned; resolves when the first audit
   * is done.
   * @throws OverlayError when this node may not enter the cluster.
   */
  readonly run: () => Promise<void>
  /** Closes the session and writes what the next run has to know. */
  readonly close: () => Promise<void>
}
