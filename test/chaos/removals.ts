/** Which operations take an endpoint away, surely or perhaps. */
import type { Endpoint } from '../../proto/index.ts'
import type { Operation } from './operations.ts'

/** Whether the operation may have taken the endpoint away, whenever the two were. */
export function mayRemove({ action, outcome }: Operation, endpoint: Endpoint): boolean {
  if (outcome.is === 'refused' && !outcome.isSent) return false
  switch (action.do) {
    case 'detach': {
      if (outcome.is === 'refused') return false
      if (outcome.is === 'done') return outcome.endpoint?.id === endpoint.id
      if (action.endpointId !== undefined) return action.endpointId === endpoint.id
      return action.network === endpoint.network && isIn(endpoint, action.slot)
    }
    // Refused too it may have detached some.
    case 'rm':
      if (!action.force) return false
      return outcome.is === 'done' ? outcome.network?.uid === endpoint.networkUid : action.network === endpoint.network
    case 'drain':
      return !action.keep && action.node === endpoint.node
    case 'vanish':
      return isIn(endpoint, action.slot)
    case 'attach':
    case 'create':
    case 'grow':
    case 'undrain':
    case 'appear':
      return false
  }
}

/** Whether an endpoint that was there before it began, and was not attached again, is gone once the faults are over. */
export function surelyRemoves(operation: Operation, endpoint: Endpoint): boolean {
  return operation.outcome.is === 'done' && mayRemove(operation, endpoint)
}

/** When it can take no more effect; what has no answer may until everybody is well and idle again. */
export function lastEffect({ action, outcome, end }: Operation, settled: number): number {
  if (outcome.is === 'unknown') return settled
  // The grace, and what a detach has left for later.
  if (action.do === 'vanish' || (outcome.is === 'done' && outcome.warning)) return settled
  return end
}

export function isIn({ node, sandbox }: Endpoint, slot: { readonly path: string; readonly host: string }): boolean {
  return node === slot.host && sandbox?.path === slot.path
}
