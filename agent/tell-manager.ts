/** Tells the service manager how this agent is. */
import type { ServiceManager } from '../lib/service-manager.ts'
import type { AgentStatus } from '../proto/index.ts'

/** Milliseconds between looks. */
const lookInterval = 1_000

/** Until the signal aborts. */
export function tellManager(
  service: Pick<ServiceManager, 'isThere' | 'status'>,
  state: () => Pick<AgentStatus, 'state' | 'reason'>,
  signal: AbortSignal,
): void {
  if (!service.isThere) return
  const tell = () => service.status(stateText(state()))
  tell()
  const timer = setInterval(tell, lookInterval).unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}

export function stateText({ state, reason }: Pick<AgentStatus, 'state' | 'reason'>): string {
  return state === 'READY' ? 'in sync with the store' : `${state.toLowerCase()}: ${reason}`
}
