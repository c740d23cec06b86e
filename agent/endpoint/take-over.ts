/**
 * A workload that was restarted finds its own endpoint again: the same id,
 * addresses, MAC and name, in the sandbox that it has now.
 */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { pause } from '../../lib/retry.ts'
import type { Endpoint } from '../../proto/index.ts'
import { type Entry, OutcomeUnknownError, put, unchanged } from '../../store/store.ts'
import { evicted } from '../node/registration.ts'
import { isPluggable } from '../plan.ts'
import { endpointKey } from '../state/key.ts'
import type { EndpointView, NetworkView } from '../state/view.ts'
import { readEndpoint } from '../view/records.ts'
import type { EndpointParts } from './parts.ts'
import { isGone, leadsElsewhere } from './vanished.ts'
import type { Wanted } from './wanted.ts'

/** The kernel takes a namespace away some time after its last process, or its path, is gone; in milliseconds. */
const longestEnd = 2_000
const lookInterval = 20
/** The node's record may be written between, but hardly so often. */
const attempts = 5

/**
 * Where the sandbox stands in the place of one that is only just ending, waits
 * until that has ended, or does not seem to. What is attached already waits for
 * nothing.
 */
export async function formersGone(parts: EndpointParts, network: string, wanted: Wanted, signal: AbortSignal) {
  const { kernel, view } = parts
  if ([...view.localEndpoints(network)].some(({ sandbox }) => sandbox?.cookie === wanted.cookie)) return
  const late = performance.now() + longestEnd
  const isEnding = ({ id, sandbox }: EndpointView) =>
    sandbox !== undefined && leadsElsewhere(kernel, sandbox) && !isGone(kernel, id, sandbox)
  while (!signal.aborted && performance.now() < late && formers(parts, network, wanted).some(isEnding))
    await pause(lookInterval, signal)
}

/**
 * The endpoint of this network that the sandbox may take over: its own is gone,
 * and it has the name that is asked for, or, where none is, was at the same path.
 * @throws OverlayError `already_exists` when it has the name, but not the
 * addresses or the MAC that are asked for.
 */
export function findFormer(parts: EndpointParts, network: NetworkView, wanted: Wanted): EndpointView | undefined {
  const { view, vanished } = parts
  const all = formers(parts, network.name, wanted)
  for (const { id } of all) vanished.look(endpointKey(network.name, id))
  const gone = all.filter(({ id }) => view.isVanished(id))
  const fitting = gone.filter((endpoint) => fits(endpoint, wanted))
  const [former = fitting[0]] = fitting.filter(({ ifname }) => ifname === wanted.ifname)
  const [namesake] = wanted.name ? gone : []
  if (former || !namesake) return former
  const { id, name, addresses, mac } = namesake
  throw new OverlayError(
    'already_exists',
    `endpoint ${id} has the name "${name}", whose sandbox is gone, with ${addresses.join(', ')} and MAC ${mac}: attach without asking for others to have it back, or detach it first ("overlayctl detach ${id}")`,
  )
}

/** Endpoints of other sandboxes that stand where this one does, dead or alive. */
function formers({ view, intents }: EndpointParts, network: string, wanted: Wanted): readonly EndpointView[] {
  return [...view.localEndpoints(network)].filter(
    (endpoint) =>
      isSameWorkload(endpoint, wanted) &&
      endpoint.sandbox?.cookie !== wanted.cookie &&
      isPluggable(view.self, endpoint) &&
      !intents.isOpen(endpoint.id),
  )
}

/** A name says more than a path; and the path of a process is soon another's. */
function isSameWorkload({ name, sandbox }: EndpointView, wanted: Wanted): boolean {
  if (wanted.name) return name === wanted.name
  return sandbox?.path === wanted.path && !wanted.path.startsWith('/proc/')
}

function fits({ addresses, mac }: EndpointView, wanted: Wanted): boolean {
  return (!wanted.mac || wanted.mac === mac) && wanted.addresses.every((ip) => addresses.includes(ip))
}

/**
 * Writes the sandbox into the endpoint's record, fenced as a claim. What else is
 * asked for and may change (interface, labels, priority) changes; what is not stays.
 * @returns the endpoint, as the view has it then.
 * @throws OverlayError `unavailable`, `conflict`, `failed_precondition` (evicted)
 */
export function takeOver(parts: EndpointParts, former: EndpointView, wanted: Wanted): Promise<EndpointView> {
  const { bootId } = parts.view.self
  const { path, cookie, ifname, labels, gwPriority } = wanted
  return rewrite(parts, former, (record) => ({
    ...record,
    ifname,
    sandbox: { kind: 'NAMESPACE', bootId, cookie, path },
    labels: Object.keys(labels).length > 0 ? labels : record.labels,
    gwPriority: gwPriority === 0 ? record.gwPriority : gwPriority,
  }))
}

/**
 * The new sandbox is not to have it after all: the endpoint waits for that, or
 * for another, as before. The interface goes first: as long as it is there, the
 * endpoint does not count as one without a sandbox.
 */
export async function handBack(parts: EndpointParts, taken: EndpointView, former: EndpointView): Promise<void> {
  const { view, reconciler, log } = parts
  const { network, id, sandbox, ifname, labels, gwPriority } = former
  if (!sandbox) return
  reconciler.mark(view.setOpenIntent(network, id, true))
  try {
    await reconciler.settle([endpointKey(network, id)], { forced: true })
    await rewrite(parts, taken, (record) => ({
      ...record,
      ifname,
      labels: { ...labels },
      gwPriority,
      sandbox: { kind: 'NAMESPACE', ...sandbox },
    }))
  } catch (error) {
    // It stays taken over: the reconciler goes on trying to plug it in.
    log.warn({ err: error, endpoint: id }, 'could not be handed back')
  } finally {
    reconciler.mark(view.setOpenIntent(network, id, false))
  }
}

/**
 * Changes the record of an own endpoint. No intent is needed: whether it comes
 * through or not, the endpoint is whole, and the reconciler does what it says.
 */
async function rewrite(
  parts: EndpointParts,
  endpoint: EndpointView,
  change: (record: Endpoint) => Endpoint,
): Promise<EndpointView> {
  const { store, health, view, reconciler, registration } = parts
  const { network, id, createRevision } = endpoint
  const key = store.keys.endpoint(network, id)
  const nodeKey = store.keys.node(view.self.node)
  for (let attempt = 0; attempt < attempts; attempt++) {
    const entry = await health.observe(() => store.get(key))
    if (entry?.createRevision !== createRevision)
      throw new OverlayError('conflict', `endpoint ${id} was released meanwhile: try again`)
    const value = change(entry.value)
    const fence = registration()
    const compares = [unchanged(entry), fence.compare()]
    const writes = [put(key, value, { over: entry })]
    const outcome = await health
      .observe(() => store.commit({ compares, writes, otherwise: [nodeKey] }))
      .catch((error: unknown) => Promise.reject(explained(error)))
    if (outcome.committed) {
      const now = readEndpoint({ value, createRevision, modRevision: outcome.revision })
      const changed = view.setWritten(now)
      if (!changed) throw evicted(view.self.node)
      reconciler.mark([...changed, endpointKey(network, id)])
      return now
    }
    const node = outcome.found[0] as Entry<never> | undefined
    if (node?.createRevision !== fence.generation()) throw evicted(view.self.node)
    fence.seen(node)
  }
  throw new OverlayError('conflict', `endpoint ${id} is being changed by others: try again`)
}

function explained(error: unknown): unknown {
  if (!(error instanceof OutcomeUnknownError)) return error
  return new OverlayError(
    'unavailable',
    'the store did not answer in time: the sandbox may have its endpoint back, or not yet; try again',
    { cause: error },
  )
}

/** A refusal, with what becomes of the endpoints that stand in the way, where their sandboxes are gone. */
export function withFates({ view, vanished }: EndpointParts, network: string, wanted: Wanted, error: unknown): unknown {
  if (!hasCode(error, 'already_exists')) return error
  const inTheWay = [...view.localEndpoints(network)].filter(
    ({ name, mac, addresses }) =>
      (wanted.name && wanted.name === name) ||
      wanted.mac === mac ||
      addresses.some((address) => wanted.addresses.includes(address)),
  )
  const fates = inTheWay.flatMap(({ id }) => {
    const fate = vanished.fateOf(id)
    return fate ? [`; of endpoint ${id}: ${fate}, or "overlayctl detach ${id}" releases them now`] : []
  })
  return fates.length === 0 ? error : error.saying(`${error.message}${fates.join('')}`)
}
