/** `overlay-agent --purge`: this host is left as if no agent had ever run. */
import { OverlayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { purge } from './kernel/purge.ts'
import { isAgentRunning } from './node/only-agent.ts'

/**
 * Tells on standard output what was removed. Files are not touched: whoever
 * installed them removes them.
 * @throws OverlayError `failed_precondition` while an agent runs, or when something is left.
 */
export async function purgeHost(log: Logger, print: (text: string) => void): Promise<void> {
  if (isAgentRunning())
    throw new OverlayError(
      'failed_precondition',
      'an agent runs on this host and would mend what is taken down: stop it first (systemctl stop overlay-agent)',
    )
  const { removed, left } = await purge(log)
  for (const line of removed) print(`removed ${line}\n`)
  if (removed.length + left.length === 0) print('nothing of ours is on this host\n')
  if (left.length > 0) throw new OverlayError('failed_precondition', `could not be removed: ${left.join('; ')}`)
}
