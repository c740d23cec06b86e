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
    case 'forget':
      return action.node === endpoint.node
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

/**
 * When it can take no more effect on an endpoint; what has no answer may until
 * everybody is well and idle again. `told`: when the last attach that was answered
 * with the endpoint was called. Called after a sandbox vanished, it was about the
 * new one; after a node was forgotten, it was of one that had been emptied.
 */
export function lastEffect({ action, outcome, end }: Operation, settled: number, told: number): number {
  if (outcome.is === 'unknown') return settled
  // The grace; and what any controller goes on with once a node's record is gone.
  if (action.do === 'vanish' || (action.do === 'forget' && outcome.is === 'refused')) return end < told ? end : settled
  // What a detach has left for later.
  return outcome.is === 'done' && outcome.warning ? settled : end
}

export function isIn({ node, sandbox }: Endpoint, slot: { readonly path: string; readonly host: string }): boolean {
  return node === slot.host && sandbox?.path === slot.path
}
