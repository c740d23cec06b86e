/** Attaches a sandbox to a network: claim in the store, then plug in the kernel. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { familyOf, parseIp } from '../../lib/ip.ts'
import { checkLabels } from '../../lib/labels.ts'
import { parseIfname, parseName } from '../../lib/names.ts'
import { vxlanOverhead } from '../../lib/vxlan.ts'
import { type AttachRequest, AttachResponse, type Endpoint } from '../../proto/index.ts'
import { OutcomeUnknownError } from '../../store/store.ts'
import { checkRequested } from '../ipam/address-pool.ts'
import { type Claimed, claim } from '../ipam/claim.ts'
import { isPluggable } from '../plan.ts'
import { vethName } from '../state/device-names.ts'
import { endpointKey, hostKey, networkKey } from '../state/key.ts'
import type { EndpointView, NetworkView } from '../state/view.ts'
import { endpointRecord, readEndpoint, readNetwork } from '../view/records.ts'
import { createAhead } from './ahead.ts'
import type { EndpointParts } from './parts.ts'
import { sandboxPath } from './sandbox-path.ts'
import { settleElsewhere, settleHere, takeDownInTheEnd } from './settle.ts'
import { dropIfUnused } from './take-down.ts'

/** How long the first attach of a network waits for its endpoints, in milliseconds. */
const followTimeout = 8_000

interface Wanted {
  readonly network: string
  readonly path: string
  readonly cookie: string
  readonly ifname: string
  readonly name: string
  readonly addresses: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/**
 * Claims addresses, plugs the interface in, and answers when both are done. The
 * same sandbox, network and interface again answers with what is there. A
 * failure at any step, or a caller who goes away meanwhile, leaves nothing.
 * @throws OverlayError
 */
export async function attach(
  parts: EndpointParts,
  request: AttachRequest,
  signal: AbortSignal,
): Promise<AttachResponse> {
  const wanted = readRequest(parts, request)
  requireReady(parts)
  await settleElsewhere(parts, wanted.cookie, wanted.network)
  return parts.turns.run(wanted.network, async () => {
    requireReady(parts)
    refuseIfGone(signal)
    const network = await findNetwork(parts, wanted.network)
    checkMtu(parts, network)
    try {
      await followInTime(parts, wanted.network)
      await settleHere(parts, wanted.cookie, wanted.network)
      return await attachInTurn(parts, network, wanted, signal)
    } finally {
      dropIfUnused(parts, wanted.network)
    }
  })
}

function readRequest({ view, kernel }: EndpointParts, request: AttachRequest): Wanted {
  const faults = new Faults()
  if (request.node && request.node !== view.self.node)
    faults.add(`node: this is the agent of ${view.self.node}, not of ${request.node}: ask the controller`)
  faults.try('network', () => parseName(request.network))
  const ifname = faults.try('ifname', () => parseIfname(request.ifname || 'eth0')) ?? ''
  if (ifname === 'lo') faults.add('ifname: "lo" is the loopback of every sandbox: choose another')
  if (request.name) faults.try('name', () => parseName(request.name))
  checkLabels(faults, 'labels', request.labels)
  const path = faults.try('sandbox', () => sandboxPath(request)) ?? ''
  const addresses = request.addresses.flatMap((text) => faults.try('addresses', () => parseIp(text)) ?? [])
  faults.throwIfAny()
  const { network, name, labels } = request
  return { network, path, cookie: kernel.netnsIdentity(path).cookie, ifname, name, addresses, labels }
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

/** The view may lag a moment behind a network that was only just made. */
async function findNetwork({ store, health, view, reconciler }: EndpointParts, name: string): Promise<NetworkView> {
  const known = view.network(name)
  if (known) return known
  const entry = await health.observe(() => store.get(store.keys.network(name)))
  if (!entry)
    throw new OverlayError(
      'not_found',
      `there is no network "${name}": see "overlayctl ls", or make it with "overlayctl create"`,
    )
  const network = readNetwork(entry)
  reconciler.mark(view.setNetwork(network))
  return network
}

function checkMtu({ view }: EndpointParts, network: NetworkView): void {
  const { vtep, underlayMtu, node } = view.self
  const most = underlayMtu - vxlanOverhead[familyOf(vtep)]
  if (network.mtu <= most) return
  throw new OverlayError(
    'failed_precondition',
    `network ${network.name} has an MTU of ${network.mtu}, but the underlay of node ${node} (MTU ${underlayMtu}) carries at most ${most}: raise the underlay's MTU, or use a network made with --mtu ${most}`,
  )
}

async function followInTime({ sync, health, signal }: EndpointParts, network: string): Promise<void> {
  if (sync.isFollowed(network)) return
  const done = new AbortController()
  const givenUp = AbortSignal.any([done.signal, health.away(), signal])
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
  const existing = findAttached(parts, wanted)
  const endpoint = existing ?? (await claimEndpoint(parts, network, wanted))
  const { reconciler, view } = parts
  const keys = [hostKey, networkKey(wanted.network), endpointKey(wanted.network, endpoint.id)]
  try {
    refuseIfGone(signal)
    await reconciler.settle(keys)
    refuseIfGone(signal)
  } catch (error) {
    if (!existing) await undo(parts, endpoint)
    throw error
  }
  return AttachResponse.create({
    endpoint: endpointRecord(endpoint, view.network(wanted.network)),
    alreadyAttached: Boolean(existing),
  })
}

/** What cannot be undone now stays open as an intent. */
async function undo(parts: EndpointParts, endpoint: EndpointView): Promise<void> {
  // What was made ahead and not taken up is not known to the reconciler.
  parts.kernel.abandon(vethName(endpoint.id))
  await takeDownInTheEnd(parts, endpoint).catch((error: unknown) =>
    parts.log.warn({ err: error, endpoint: endpoint.id }, 'failed attach could not be undone yet'),
  )
}

/** @throws OverlayError `already_exists` when the interface is there for something else. */
function findAttached({ view }: EndpointParts, wanted: Wanted): EndpointView | undefined {
  const { network, name, cookie, ifname, path } = wanted
  const found = [...view.localEndpoints()].find(
    (endpoint) => endpoint.sandbox?.cookie === cookie && endpoint.ifname === ifname && isPluggable(view.self, endpoint),
  )
  if (!found) return undefined
  const differs =
    found.network !== network
      ? `to network ${found.network}`
      : name && found.name !== name
        ? `under the name "${found.name}"`
        : wanted.addresses.some((ip) => !found.addresses.some((have) => have === ip))
          ? `with ${found.addresses.join(', ')}`
          : undefined
  if (!differs) return found
  throw new OverlayError(
    'already_exists',
    `${path} has ${ifname} already, attached ${differs} (endpoint ${found.id}): detach that, or choose another --ifname`,
  )
}

async function claimEndpoint(parts: EndpointParts, network: NetworkView, wanted: Wanted): Promise<EndpointView> {
  const { intents, reconciler, view } = parts
  const claimed = await claimWithIntent(parts, network, wanted)
  const endpoint = readEndpoint({
    value: claimed.value,
    createRevision: claimed.revision,
    modRevision: claimed.revision,
  })
  const appeared = view.setEndpoint(endpoint)
  reconciler.mark([...appeared, ...intents.end({ network: network.name, endpointId: endpoint.id })])
  return endpoint
}

function claimWithIntent(parts: EndpointParts, network: NetworkView, wanted: Wanted): Promise<Claimed> {
  const { store, health, view, reconciler, intents, pool, registration, newId } = parts
  const { cookie, path, ifname, labels, name } = wanted
  const { bootId, node } = view.self
  const request = {
    name,
    addresses: checkRequested(network, wanted.addresses),
    record: { node, ifname, labels, sandbox: { kind: 'NAMESPACE', bootId, cookie, path } as const },
  }
  const ahead = createAhead(parts)
  const claimParts = {
    store,
    registration: registration(),
    network: () => {
      const now = view.network(network.name) ?? network
      if (now.uid === network.uid) return now
      // It was removed and made again: what was checked of the one says nothing of the other.
      checkMtu(parts, now)
      checkRequested(now, wanted.addresses)
      return now
    },
    onNetwork: (entry: Parameters<typeof readNetwork>[0]) => reconciler.mark(view.setNetwork(readNetwork(entry))),
    pool,
    newId,
    onAttempt: (endpointId: string) =>
      void intents.begin({ kind: 'claim', network: network.name, endpointId, bootId, cookie }),
    onRefused: (endpointId: string) => void intents.end({ network: network.name, endpointId }),
    meanwhile: (endpoint: Endpoint) => ahead.begin(network, endpoint),
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
