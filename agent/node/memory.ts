/** What one run of the agent tells the next, by the state directory. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { StateDir } from './state-dir.ts'

export interface Seen {
  readonly clusterUid: string
  /** The highest of the store. */
  readonly revision: number
  /** The node's; undefined while it is evicted. */
  readonly generation: number | undefined
  readonly node: string
}

type Remembering = Pick<StateDir, 'readMemory' | 'writeMemory'>

/** Writes down what is new; never an older revision than before. Throws nothing: the next time it is tried again. */
export function rememberSeen(stateDir: Remembering, { clusterUid, node, ...seen }: Seen, log: Logger): void {
  try {
    const memory = stateDir.readMemory()
    const revision = Math.max(seen.revision, memory?.revision ?? 0)
    const generation = seen.generation ?? memory?.generation ?? 0
    if (memory?.revision === revision && memory.generation === generation) return
    const { wentBackTo } = memory ?? {}
    stateDir.writeMemory({ clusterUid, revision, generation, node, ...(wentBackTo !== undefined && { wentBackTo }) })
  } catch (error) {
    log.warn({ err: error }, 'what was seen of the store could not be written down')
  }
}

/** Under another name all that lives here would look evicted. @throws OverlayError `failed_precondition` */
export function refuseOtherName(stateDir: Pick<StateDir, 'path' | 'readMemory'>, name: string): void {
  const known = stateDir.readMemory()?.node
  if (known === undefined || known === name) return
  throw new OverlayError(
    'failed_precondition',
    `the state directory ${stateDir.path} is that of node "${known}": start the agent with --node ${known}; to rename the node, detach its endpoints, run "overlayctl node rm ${known}", and give the new name a --state-dir of its own`,
  )
}
