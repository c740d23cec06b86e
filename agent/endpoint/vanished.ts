/**
 * Own endpoints whose sandboxes are gone. They keep their addresses for a while,
 * so that a workload that is only restarted gets its own again (take-over.ts);
 * then they are released.
 */
import { hasCode } from '../../lib/errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { isPluggable } from '../plan.ts'
import { vethName } from '../state/device-names.ts'
import { endpointKey, type Key, partsOf } from '../state/key.ts'
import type { EndpointView, SandboxView } from '../state/view.ts'
import type { EndpointParts } from './parts.ts'
import { releaseVanished } from './settle.ts'

export interface VanishedSandboxes {
  /**
   * Finds out whether the endpoint's sandbox is gone, or there again: before each
   * plan of it. Keys of anything else are passed over.
   */
  look(key: Key): void
  /** Releases the endpoints whose time is over, unless the store is away or not to be believed. */
  releaseDue(): Promise<void>
  /** What becomes of an endpoint whose sandbox is gone, for people; undefined of any other. */
  fateOf(endpointId: string): string | undefined
  /** One for each. */
  problems(): readonly string[]
}

export interface VanishedOptions {
  /** What all else works with. */
  readonly parts: () => EndpointParts
  /** So long they keep their addresses, in milliseconds. */
  readonly grace: number
  /** A monotonic clock, in milliseconds. */
  readonly now: () => number
}

interface Vanished {
  readonly network: string
  readonly path: string
  /** When it was noticed. */
  readonly at: number
}

export function createVanished({ parts, grace, now }: VanishedOptions): VanishedSandboxes {
  const vanished = new Map<string, Vanished>()
  let releasing: Promise<void> | undefined

  const note = ({ network, id }: EndpointView, { path }: SandboxView) => {
    if (vanished.has(id)) return
    const { view, reconciler, log } = parts()
    vanished.set(id, { network, path, at: now() })
    reconciler.mark(view.setVanished(network, id, true))
    log.warn({ endpoint: id, network, path, graceSeconds: grace / 1_000 }, 'the sandbox of an endpoint is gone')
    if (grace === 0) void releaseDue()
  }
  const forget = (network: string, id: string) => {
    if (!vanished.delete(id)) return
    const { view, reconciler } = parts()
    reconciler.mark(view.setVanished(network, id, false))
  }
  const look = (key: Key) => {
    const found = partsOf(key)
    if (found.kind !== 'endpoint') return
    const { view, kernel, intents, log } = parts()
    const endpoint = view.endpoint(found.network, found.id)
    const { sandbox } = endpoint ?? {}
    const isOurs = endpoint && isPluggable(view.self, endpoint) && !intents.isOpen(endpoint.id)
    if (!isOurs || !sandbox) return forget(found.network, found.id)
    if (isGone(kernel, endpoint.id, sandbox)) return note(endpoint, sandbox)
    if (vanished.has(endpoint.id)) log.info({ endpoint: endpoint.id, path: sandbox.path }, 'its sandbox is there again')
    forget(endpoint.network, endpoint.id)
  }

  const dueOf = (network: string) => {
    const due = [...vanished].filter(([, each]) => each.network === network && now() - each.at >= grace)
    // A last look: the namespace may have been hidden, and be there again.
    for (const [id] of due) look(endpointKey(network, id))
    return due.flatMap(([id]) => (vanished.has(id) ? (parts().view.endpoint(network, id) ?? []) : []))
  }
  const releaseAll = async () => {
    const { guard, health, log } = parts()
    if (guard.distrust() || health.problem()) return
    const networks = new Set([...vanished.values()].filter(({ at }) => now() - at >= grace).map((each) => each.network))
    const releases = Array.from(networks, (network) =>
      releaseVanished(parts(), network, () => {
        const due = dueOf(network)
        for (const { id, addresses } of due)
          log.info({ endpoint: id, network, addresses }, 'its sandbox did not come back: it is released')
        return due
      }),
    )
    await Promise.all(releases)
  }
  const releaseDue = () => {
    releasing ??= Promise.resolve()
      .then(releaseAll)
      .catch((error: unknown) => parts().log.error({ err: error }, 'vanished sandboxes could not be released'))
      .finally(() => {
        releasing = undefined
      })
    return releasing
  }
  const fateOf = (id: string) => {
    const found = vanished.get(id)
    if (!found) return undefined
    const seconds = Math.max(0, Math.ceil((found.at + grace - now()) / 1_000))
    const { guard, health } = parts()
    const when = guard.distrust() || health.problem() ? 'when the store is in order again' : `in ${seconds} s`
    return `its sandbox ${found.path} is gone; its addresses are released ${when}, unless it is attached again`
  }
  return {
    look,
    releaseDue,
    fateOf,
    problems: () => Array.from(vanished, ([id, { network }]) => `${endpointKey(network, id)}: ${fateOf(id)}`),
  }
}

/**
 * Whether there is no such namespace any more: neither the interface, which the
 * kernel takes away with it, nor the way to it. One of the two alone proves
 * nothing: a namespace can outlive its path, and an interface be deleted by anybody.
 */
export function isGone(kernel: Pick<Kernel, 'hasLink' | 'netnsIdentity'>, id: string, sandbox: SandboxView): boolean {
  return !kernel.hasLink(vethName(id)) && leadsElsewhere(kernel, sandbox)
}

/** Whether its path leads to another namespace by now, or to none. Where that could not be looked at, it does not. */
export function leadsElsewhere(kernel: Pick<Kernel, 'netnsIdentity'>, { path, cookie }: SandboxView): boolean {
  try {
    return kernel.netnsIdentity(path).cookie !== cookie
  } catch (error) {
    return hasCode(error, 'not_found') || hasCode(error, 'invalid')
  }
}
