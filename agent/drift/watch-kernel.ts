/** What to do when somebody else changes the kernel. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Kernel, KernelChanges } from '../kernel/kernel.ts'

/** An agent that is told nothing works all the same: then the timed audits find it. */
export function watchKernel(
  kernel: Pick<Kernel, 'watchChanges'>,
  changed: (changes: KernelChanges) => void,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): void {
  try {
    kernel.watchChanges(changed, signal)
  } catch (error) {
    log.error({ err: OverlayError.from(error) }, 'what others change in the kernel is only seen by the timed audits')
  }
}
