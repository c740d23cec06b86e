/** Attaches a sandbox to a network: claim in the store, then plug in the kernel. */

import { setTimeout as sleep } from 'node:timers/promises'
import { OverlayError } from '../../lib/errors.ts'
import { firstOf } from '../../lib/signals.ts'
import { type AttachRequest, AttachResponse, type Endpoint, type Network } from '../../proto/index.ts'
import { type Entry, OutcomeUnknownError } from '../../store/store.ts'
import { type Claimed, claim } from '../ipam/claim.ts'
import { evicted } from '../node/registration.ts'
import { isPluggable } from '../plan.ts'
import { vethName } from '../state/device-names.ts'
import { endpointKey, hostKey, networkKey } from '../state/key.ts'
import type { EndpointView, NetworkView } from '../state/view.ts'
import { endpointRecord, readEndpoint } from '../view/records.ts'
import { createAhead } from './ahead.ts'
import { checkNetwork, findNetwork, takeNetwork } from './find-network.ts'
import type { HeldIfname } from './ifnames.ts'
import type { EndpointParts } from './parts.ts'
import { settleElsewhere, settleHere, takeDownInTheEnd } from './settle.ts'
import { dropIfUnused } from './take-down.ts'
import { findFormer, formersGone, handBack, takeOver, withFates } from './take-over.ts'
import { checkWanted, readRequest, type Wanted } from './wanted.ts'

/** How long the first attach of a network waits for its endpoints, in milliseconds. */
const followTimeout = 8_000

/**
 * Claims addresses, plugs the interface in, and answers when both are done. The
 * same sandbox, network and interface again answers with what is there; a
 * workload whose sandbox went, and that has a new one, gets its endpoint back. A
 * failure at any step, or a caller who goes away meanwhile, leaves nothing else
 * than there was.
 * @throws OverlayError
 */
export async function attach(
  parts: EndpointParts,
  request: AttachRequest,
  signal: AbortSignal,
): Promise<AttachResponse> {
  const wanted = readRequest(parts, request)
  requireReady(parts)
  const { name } = await findNetwork(parts, wanted.reference)
  await settleElsewhere(parts, wanted.cookie, name, signal)
  await formersGone(parts, name, wanted, signal)
  return parts.turns.offer(name, signal, async () => {
    requireReady(parts)
    refuseIfGone(signal)
    const found = await findNetwork(parts, name)
    refuseOther(found, wanted.reference)
    const network = await checkNetwork(parts, found, (now) => checkWanted(parts.view.self, now, wanted))
    try {
      await followInTime(parts, name)
      await settleHere(parts, wanted.cookie, name)
      return await attachInTurn(parts, network, wanted, signal)
    } finally {
      dropIfUnused(parts, name)
    }
  })
}

function requireReady({ health, guard, registration }: EndpointParts): void {
  const doubt = guard.reason()
  if (doubt) throw new OverlayError('failed_precondition', `this agent attaches nothing while it holds: ${doubt}`)
  health.require()
  registration()
}

function refuseIfGone(signal: AbortSignal): void {
  if (signal.aborted)
    throw new OverlayError('deadline', 'the caller gave up before the attach was done; nothing is left of it')
}

/** Named by its uid, a network that was made again since is not the one that is meant. */
function refuseOther({ name, uid }: NetworkView, reference: string): void {
  if (name !== reference && !uid.startsWith(reference))
    throw new OverlayError('not_found', `network ${name} (${reference}) was removed, and made again`)
}

async function followInTime({ sync, health, signal }: EndpointParts, network: string): Promise<void> {
  if (sync.isFollowed(network)) return
  const done = new AbortController()
  const givenUp = firstOf(done.signal, health.away(), signal)
  const late = sleep(followTimeout, 'late', { signal: givenUp }).catch(() => 'late')
  const first = await Promise.race([sync.follow(network), late])
  done.abort()
  if (first !== 'late') return
  health.require()
  throw new OverlayError('unavailable', `the endpoints of ${network} could not be read from the store in time`)
}

async function attachInTurn(
  parts: EndpointParts,
  network: NetworkView,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<AttachResponse> {
  const existing = findAttached(parts, network, wanted)
  if (existing) {
    await plugIn(parts, existing, signal)
    return answer(parts, existing, true)
  }
  const former = findFormer(parts, network, wanted)
  const held = holdIfname(parts, wanted, former?.ifname)
  const named = { ...wanted, ifname: held.ifname }
  try {
    const endpoint = await (former ? takeOver(parts, former, named) : claimEndpoint(parts, network, named))
    try {
      await plugIn(parts, endpoint, signal)
    } catch (error) {
      await (former ? handBack(parts, endpoint, former) : undo(parts, endpoint))
      throw error
    }
    return answer(parts, endpoint, false)
  } catch (error) {
    throw withFates(parts, network.name, wanted, error)
  } finally {
    held.giveUp()
  }
}

async function plugIn(
  { reconciler, view }: EndpointParts,
  { network, id, sandbox }: EndpointView,
  signal: AbortSignal,
): Promise<void> {
  refuseIfGone(signal)
  await reconciler.settle([hostKey, networkKey(network), endpointKey(network, id)])
  if (view.isVanished(id))
    throw new OverlayError('not_found', `the sandbox is gone: there is no network namespace ${sandbox?.path} any more`)
  refuseIfGone(signal)
}

function answer({ view }: EndpointParts, endpoint: EndpointView, alreadyAttached: boolean): AttachResponse {
  return AttachResponse.create({ endpoint: endpointRecord(endpoint, view.network(endpoint.network)), alreadyAttached })
}

/**
 * Beside what is in the sandbox by now, or is to be by our own records. Where
 * none is asked for, `rather` is taken, if it is free.
 * @throws OverlayError `already_exists`, before anything is claimed.
 */
function holdIfname({ kernel, view, ifnames }: EndpointParts, wanted: Wanted, rather?: string): HeldIfname {
  const { path, cookie, ifname } = wanted
  const there = kernel.interfacesIn(path)
  if (there.includes(ifname))
    throw new OverlayError(
      'already_exists',
      `${path} has an interface ${ifname} already: give another name with --ifname, or remove it`,
    )
  return ifnames.hold(cookie, ifname, [...there, ...attachedTo(view, cookie).map((each) => each.ifname)], rather)
}

function attachedTo(view: EndpointParts['view'], cookie: string): readonly EndpointView[] {
  return [...view.localEndpoints()].filter(
    (endpoint) => endpoint.sandbox?.cookie === cookie && isPluggable(view.self, endpoint),
  )
}

/** What cannot be undone now stays open as an intent. */
async function undo(parts: EndpointParts, endpoint: EndpointView): Promise<void> {
  // What was made ahead and not taken up is not known to the reconciler.
  parts.kernel.abandon(vethName(endpoint.id))
  await takeDownInTheEnd(parts, endpoint).catch((error: unknown) =>
    parts.log.warn({ err: error, endpoint: endpoint.id }, 'failed attach could not be undone yet'),
  )
}

/**
 * What is attached already: the interface, or, where none is named, any of the
 * sandbox in that network.
 * @throws OverlayError `already_exists` when it is there for something else.
 */
function findAttached({ view }: EndpointParts, network: NetworkView, wanted: Wanted): EndpointView | undefined {
  const attached = attachedTo(view, wanted.cookie).filter((endpoint) =>
    wanted.ifname ? endpoint.ifname === wanted.ifname : endpoint.network === network.name,
  )
  const same = attached.find((endpoint) => !difference(endpoint, network, wanted))
  const [found] = attached
  if (same || !found) return same
  throw new OverlayError(
    'already_exists',
    `${wanted.path} has ${found.ifname} already, attached ${difference(found, network, wanted)} (endpoint ${found.id}): detach that, or choose another --ifname`,
  )
}

/** How an endpoint is another than the one wanted, if it is. */
function difference(found: EndpointView, network: NetworkView, wanted: Wanted): string | undefined {
  if (found.network !== network.name) return `to network ${found.network}`
  if (wanted.name && found.name !== wanted.name) return found.name ? `under the name "${found.name}"` : 'without a name'
  if (wanted.addresses.some((ip) => !found.addresses.some((have) => have === ip)))
    return `with ${found.addresses.join(', ')}`
  if (wanted.mac && found.mac !== wanted.mac) return `with MAC ${found.mac}`
  return undefined
}

async function claimEndpoint(parts: EndpointParts, network: NetworkView, wanted: Wanted): Promise<EndpointView> {
  const { intents, reconciler, view, kernel } = parts
  const { value, revision } = await claimWithIntent(parts, network, wanted)
  const endpoint = readEndpoint({ value, createRevision: revision, modRevision: revision })
  const appeared = view.setWritten(endpoint)
  reconciler.mark([...(appeared ?? []), ...intents.end({ network: network.name, endpointId: endpoint.id })])
  if (appeared) return endpoint
  kernel.abandon(vethName(endpoint.id))
  throw evicted(view.self.node)
}

function claimWithIntent(parts: EndpointParts, network: NetworkView, wanted: Wanted): Promise<Claimed> {
  const { claimStore: store, health, view, intents, pool, registration, newId } = parts
  const { cookie, path, ifname, labels, name, mac, addresses, gwPriority } = wanted
  const { bootId, node } = view.self
  const request = {
    name,
    mac,
    addresses,
    record: { node, ifname, labels, gwPriority, sandbox: { kind: 'NAMESPACE', bootId, cookie, path } as const },
  }
  const ahead = createAhead(parts)
  let checked = network
  const claimParts = {
    store,
    registration: registration(),
    network: () => {
      const now = view.network(network.name) ?? checked
      if (now.modRevision === checked.modRevision) return checked
      // It was changed, or removed and made again: what was checked before says nothing of it.
      refuseOther(now, wanted.reference)
      checkWanted(view.self, now, wanted)
      checked = now
      return checked
    },
    onNetwork: (entry: Entry<Network>) => void takeNetwork(parts, entry),
    pool,
    newId,
    onAttempt: (endpointId: string) =>
      void intents.begin({ kind: 'claim', network: network.name, endpointId, bootId, cookie }),
    onRefused: (endpointId: string) => void intents.end({ network: network.name, endpointId }),
    meanwhile: (endpoint: Endpoint) => ahead.begin(checked, endpoint),
  }
  return health
    .observe(() => claim(claimParts, request))
    .catch((error: unknown) => {
      ahead.giveUp()
      if (!(error instanceof OutcomeUnknownError)) throw error
      throw new OverlayError(
        'unavailable',
        'the store did not answer in time: nothing was attached; if the claim was made after all, it is undone as soon as the store answers',
        { cause: error },
      )
    })
}
