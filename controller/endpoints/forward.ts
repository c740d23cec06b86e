/** Attaches and detaches on other hosts, through their agents' streams. */
import { OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import type { Identity } from '../../lib/pki/identity.ts'
import { checkAttach } from '../../lib/requests/attach.ts'
import { checkSandbox } from '../../lib/sandbox.ts'
import type { Answer, AttachRequest, AttachResponse, DetachRequest, DetachResponse } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { AgentLinks, Ask } from '../agent-links.ts'
import { findNetwork } from '../networks/reference.ts'
import { findNode } from '../nodes/reference.ts'
import { Refusals } from '../refusals.ts'
import { findEndpoint } from './find.ts'

/** @throws OverlayError `invalid` with every fault of the request; what the node's agent answers with. */
export async function forwardAttach(
  store: Store,
  links: AgentLinks,
  request: AttachRequest,
  signal: AbortSignal,
  caller?: Identity,
): Promise<AttachResponse> {
  const faults = new Faults()
  checkAttach(faults, request)
  checkNode(faults, request.node)
  faults.try('sandbox', () => checkSandbox(request))
  faults.throwIfAny()
  const names = await resolve(store, links, request, caller)
  const { attach } = await askNode(store, links, names.node, { attach: { ...request, ...names } }, signal)
  if (!attach) throw wrongAnswer(names.node)
  return attach
}

/**
 * By an endpoint's id, the beginning of one, or its name; or by network, node and sandbox.
 * @throws OverlayError `invalid`, `not_found`; what the node's agent answers with.
 */
export async function forwardDetach(
  store: Store,
  links: AgentLinks,
  request: DetachRequest,
  signal: AbortSignal,
  caller?: Identity,
): Promise<DetachResponse> {
  const { node, ...rest } = request.endpointId
    ? await byEndpoint(store, links, request, caller)
    : await bySandbox(store, links, request, caller)
  const { detach } = await askNode(store, links, node, { detach: { ...rest, node } }, signal)
  if (!detach) throw wrongAnswer(node)
  return detach
}

async function byEndpoint(
  store: Store,
  links: AgentLinks,
  request: DetachRequest,
  caller?: Identity,
): Promise<DetachRequest> {
  const faults = new Faults()
  if (request.node) faults.try('node', () => parseName(request.node))
  if (request.network) faults.try('network', () => parseName(request.network))
  if (request.netns !== undefined || request.pid !== undefined)
    faults.add('endpointId: give either an endpoint, or a network and a sandbox, not both')
  faults.throwIfAny()
  const network = request.network ? (await findNetwork(store, request.network)).value.name : undefined
  const endpoint = await findEndpoint(store, request.endpointId, network)
  if (request.node && (await nodeName(store, links, request.node, caller)) !== endpoint.node)
    throw new OverlayError('invalid', `endpoint ${endpoint.id} is on node ${endpoint.node}, not on ${request.node}`)
  return { endpointId: endpoint.id, network: '', node: endpoint.node }
}

async function bySandbox(
  store: Store,
  links: AgentLinks,
  request: DetachRequest,
  caller?: Identity,
): Promise<DetachRequest> {
  const faults = new Faults()
  faults.try('network', () => parseName(request.network))
  checkNode(faults, request.node)
  faults.try('sandbox', () => checkSandbox(request))
  faults.throwIfAny()
  return { ...request, ...(await resolve(store, links, request, caller)) }
}

/**
 * The names that agents know them by.
 * @throws OverlayError `not_found`, `invalid`
 */
async function resolve(
  store: Store,
  links: AgentLinks,
  { network, node }: { network: string; node: string },
  caller?: Identity,
) {
  const refusals = new Refusals()
  const [found, name] = await refusals.both(findNetwork(store, network), nodeName(store, links, node, caller))
  if (!found || name === undefined) throw refusals.error()
  return { network: found.value.name, node: name }
}

/** An agent that is connected is there by that name: nothing is read. */
async function nodeName(store: Store, links: AgentLinks, reference: string, caller?: Identity): Promise<string> {
  return links.isConnected(reference) ? reference : (await findNode(store, reference, caller)).value.name
}

function checkNode(faults: Faults, node: string): void {
  if (node) faults.try('node', () => parseName(node))
  else faults.add('node: name the node that the sandbox is on')
}

/** @throws OverlayError `unavailable`, `not_found`, saying why its agent cannot be asked; what it answers with. */
export async function askNode(
  store: Store,
  links: AgentLinks,
  node: string,
  question: Ask,
  signal: AbortSignal,
): Promise<Answer> {
  if (!links.isConnected(node)) await refuseAbsent(store, node)
  return links.ask(node, question, signal)
}

async function refuseAbsent(store: Store, node: string): Promise<never> {
  const [record, session] = await Promise.all([store.get(store.keys.node(node)), store.get(store.keys.session(node))])
  if (!record) throw new OverlayError('not_found', `there is no node ${node}`)
  const why = session
    ? 'it is alive, but has no connection to this controller (yet): try again, or see that it reaches the address that the controller advertises'
    : 'it is not alive: start it'
  throw new OverlayError('unavailable', `the agent of node ${node} cannot be asked: ${why}`)
}

export function wrongAnswer(node: string): OverlayError {
  return new OverlayError('internal', `the agent of node ${node} answered another question than it was asked`)
}
