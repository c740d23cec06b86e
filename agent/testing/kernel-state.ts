/** A reconciler between a view and a fake kernel, for tests. */
import { pino } from 'pino'
import { vi } from 'vitest'
import type { Finding } from '../drift/drift.ts'
import { sandboxesOf } from '../drift/sandboxes.ts'
import { FakeKernel } from '../kernel/fake.ts'
import type { Operation, OperationResult } from '../kernel/kernel.ts'
import { plan } from '../plan.ts'
import { Reconciler } from '../reconciler.ts'
import { ownerOf } from '../state/device-names.ts'
import type { ObservedItem } from '../state/item.ts'
import type { Key } from '../state/key.ts'
import type { View } from '../view/view.ts'
import { operationsText } from './text.ts'

/** A fake kernel that a test can make wait. */
export class SlowKernel extends FakeKernel {
  /** What every apply waits for first. */
  gate: Promise<void> = Promise.resolve()
  observeFailure: Error | undefined

  override async apply(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    await this.gate
    return super.apply(operations)
  }

  override async observe(): Promise<readonly ObservedItem[]> {
    if (this.observeFailure) throw this.observeFailure
    return super.observe()
  }
}

export interface HostOfTest {
  readonly kernel: SlowKernel
  readonly reconciler: Reconciler
  /** Keys that were planned, since it was last asked. */
  readonly planned: () => readonly Key[]
  /** What the kernel was told to do since it was last asked, as text. */
  readonly told: () => string
  /** While set, nothing may be deleted. */
  hold: boolean
  /** What the log was told, from warnings on. */
  readonly warnings: readonly string[]
  /** What was told to be mended. */
  readonly mended: readonly Finding[]
  /** Waits until it holds. */
  readonly until: (condition: () => boolean) => Promise<void>
  readonly stop: () => void
}

/** All sandboxes of the view's endpoints exist. */
export function hostOver(view: View): HostOfTest {
  const kernel = new SlowKernel()
  for (const { sandbox } of view.localEndpoints()) if (sandbox) kernel.sandboxes.set(sandbox.path, sandbox.cookie)
  const stopped = new AbortController()
  let planned: Key[] = []
  let toldBefore = 0
  const warnings: string[] = []
  const mended: Finding[] = []
  const host: HostOfTest = {
    kernel,
    warnings,
    mended,
    reconciler: new Reconciler({
      kernel,
      plan: (key) => {
        planned.push(key)
        return plan(view, key)
      },
      keys: () => view.keys(),
      ownerOf: (item) => ownerOf(view.self.clusterUid, item),
      sandboxes: () => sandboxesOf(view),
      held: () => (host.hold ? 'on hold' : undefined),
      onMended: (findings) => void mended.push(...findings),
      signal: stopped.signal,
      log: pino({ level: 'warn' }, { write: (line) => void warnings.push(line) }),
      backoff: { first: 2, most: 20 },
    }),
    planned() {
      const keys = [...new Set(planned)].toSorted()
      planned = []
      return keys
    },
    told() {
      const text = operationsText(kernel.operations.slice(toldBefore))
      toldBefore = kernel.operations.length
      return text
    },
    hold: false,
    async until(condition) {
      await vi.waitUntil(condition, { timeout: 5_000, interval: 1 })
    },
    stop: () => stopped.abort(),
  }
  return host
}
