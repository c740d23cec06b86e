/**
 * Believing a store again whose history went back: what lives here is written
 * back first, then all is read anew. See docs/adr/0013.
 */
import { OverlayError } from '../lib/errors.ts'
import { pause } from '../lib/retry.ts'
import type { Endpoint, Init } from '../proto/index.ts'
import type { EndpointParts } from './endpoint/parts.ts'
import { takeDownInTheEnd } from './endpoint/settle.ts'
import { dropIfUnused } from './endpoint/take-down.ts'
import { type Left, leftAs, type WriteBackParts, type WrittenBack, writeBack } from './endpoint/write-back.ts'
import type { Guard } from './guard.ts'
import { type Living, livingInView } from './living.ts'
import type { StateDir } from './node/state-dir.ts'
import { endpointKey } from './state/key.ts'
import { endpointRecord } from './view/records.ts'

/** So long what this host knows of nodes that have written back nothing yet is kept, in milliseconds. */
const othersPatience = 600_000
const othersInterval = 1_000

/**
 * Writes back what lives here, then the node's record: by that the others see
 * that all is there.
 * @throws OverlayError `unavailable`, `conflict`, `failed_precondition`
 */
export async function writeBackAll(parts: WriteBackParts, living: readonly Living[]): Promise<WrittenBack> {
  const written = await writeBack(parts, living)
  await parts.registration.fence()
  return written
}

/**
 * The same of an agent that runs, with the endpoints of which nothing is known
 * but their interfaces. Each network in its turn: what is detached meanwhile is
 * not to come back.
 */
export async function writeBackRunning(parts: EndpointParts): Promise<WrittenBack> {
  const registration = parts.registration()
  const restored: Init<Endpoint>[] = []
  const left: Left[] = []
  for (const network of new Set(livingInView(parts).map(({ endpoint }) => endpoint.network)))
    await parts.turns.run(network, async () => {
      const living = livingInView(parts).filter(({ endpoint }) => endpoint.network === network)
      const written = await writeBack({ store: parts.store, registration }, living)
      restored.push(...written.restored)
      left.push(...written.left)
    })
  await registration.fence()
  const unknown = [...parts.view.localEndpoints()].filter(
    ({ id, sandbox, modRevision }) => !sandbox && modRevision === -1 && !parts.view.hasOpenIntent(id),
  )
  const why = 'nothing is known of it but its interface'
  return { restored, left: [...left, ...unknown.map((endpoint) => leftAs({ endpoint, networkUid: '' }, why))] }
}

/** Takes down what could not be written back. @returns what was taken down. */
export async function discardLeft(parts: EndpointParts, left: readonly Left[]): Promise<readonly Init<Endpoint>[]> {
  const { turns, view, reconciler } = parts
  const discarded: Init<Endpoint>[] = []
  for (const { network, id } of left)
    await turns.run(network, async () => {
      const endpoint = view.endpoint(network, id)
      if (!endpoint) return
      const record = endpointRecord(endpoint, view.network(network))
      await takeDownInTheEnd(parts, endpoint)
      dropIfUnused(parts, network)
      await reconciler.settle([endpointKey(network, id)])
      discarded.push(record)
    })
  return discarded
}

/** What stands against deleting while nodes are not resynced. */
export function othersDoubt(nodes: readonly string[]): string {
  const which = nodes.length > 0 ? `nodes ${nodes.join(', ')} have` : 'other nodes may have'
  return `the store was restored from an older state, and ${which} not written back yet what it lost of them: what this host knows of them is kept for ten minutes; run "overlayctl node resync --all"`
}

export interface OthersParts {
  readonly parts: Pick<EndpointParts, 'sync' | 'signal'>
  readonly guard: Guard
  readonly stateDir: Pick<StateDir, 'readMemory' | 'writeMemory'>
  /** The revision at which the store went back. */
  readonly since: number
}

/**
 * Keeps what the store lacks of other nodes until each has written its record
 * since the store went back, but not for ever: a node may be gone for good.
 */
export async function awaitOthers({ parts, guard, stateDir, since }: OthersParts): Promise<void> {
  const { sync, signal } = parts
  const end = performance.now() + othersPatience
  for (;;) {
    // It went back once more: another resync begins anew.
    if (signal.aborted || guard.wentBack()) return
    const waiting = sync.nodesNotWrittenSince(since)
    if (waiting.length === 0 || performance.now() > end) break
    guard.set('others', othersDoubt(waiting))
    await pause(othersInterval, signal)
  }
  const { wentBackTo, ...memory } = stateDir.readMemory() ?? {}
  if (wentBackTo !== since) return
  if ('clusterUid' in memory) stateDir.writeMemory(memory)
  guard.set('others', undefined)
  await sync.readAnew()
}

/** @throws OverlayError `deadline` when the caller gives up first. */
export async function whileAsked<T>(promise: Promise<T>, caller: AbortSignal): Promise<T> {
  let refuse = () => {}
  const refused = new Promise<never>((_, reject) => {
    refuse = () =>
      reject(new OverlayError('deadline', 'the caller gave up; the agent goes on: look at "overlayctl status"'))
  })
  if (caller.aborted) refuse()
  caller.addEventListener('abort', refuse, { once: true })
  try {
    return await Promise.race([promise, refused])
  } finally {
    caller.removeEventListener('abort', refuse)
  }
}
