/** Attaches and detaches on other hosts, through their agents' streams. */
import { OverlayError } from '../../lib/errors.ts'
import { Faults } from '../../lib/faults.ts'
import { familyOf, parseIp } from '../../lib/ip.ts'
import { checkLabels } from '../../lib/labels.ts'
import { parseIfname, parseName } from '../../lib/names.ts'
import { checkSandbox } from '../../lib/sandbox.ts'
import type { Answer, AttachRequest, AttachResponse, DetachRequest, DetachResponse } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import type { AgentLinks, Ask } from '../agent-links.ts'
import { findEndpoint } from './find.ts'

/** @throws OverlayError `invalid` with every fault of the request; what the node's agent answers with. */
export async function forwardAttach(
  store: Store,
  links: AgentLinks,
  request: AttachRequest,
  signal: AbortSignal,
): Promise<AttachResponse> {
  const faults = new Faults()
  faults.try('network', () => parseName(request.network))
  checkNode(faults, request.node)
  faults.try('sandbox', () => checkSandbox(request))
  if (request.ifname) faults.try('ifname', () => parseIfname(request.ifname))
  if (request.name) faults.try('name', () => parseName(request.name))
  const ips = request.addresses.slice(0, 2).map((address) => faults.try('addresses', () => parseIp(address)))
  const families = ips.filter((ip) => ip !== undefined).map(familyOf)
  if (request.addresses.length > 2 || new Set(families).size < families.length)
    faults.add('addresses: an endpoint has at most one IPv4 and one IPv6 address')
  checkLabels(faults, 'labels', request.labels)
  faults.throwIfAny()
  const { attach } = await askNode(store, links, request.node, { attach: request }, signal)
  if (!attach) throw wrongAnswer(request.node)
  return attach
}

/**
 * By an endpoint's id, or the beginning of one, or by network, node and sandbox.
 * @throws OverlayError `invalid`, `not_found`; what the node's agent answers with.
 */
export async function forwardDetach(
  store: Store,
  links: AgentLinks,
  request: DetachRequest,
  signal: AbortSignal,
): Promise<DetachResponse> {
  const { node, ...rest } = request.endpointId ? await byEndpoint(store, request) : bySandbox(request)
  const { detach } = await askNode(store, links, node, { detach: { ...rest, node } }, signal)
  if (!detach) throw wrongAnswer(node)
  return detach
}

async function byEndpoint(store: Store, request: DetachRequest): Promise<DetachRequest> {
  const faults = new Faults()
  if (request.node) faults.try('node', () => parseName(request.node))
  if (request.network || request.netns !== undefined || request.pid !== undefined)
    faults.add('endpointId: give either an endpoint, or a network and a sandbox, not both')
  faults.throwIfAny()
  const endpoint = await findEndpoint(store, request.endpointId)
  if (request.node && request.node !== endpoint.node)
    throw new OverlayError('invalid', `endpoint ${endpoint.id} is on node ${endpoint.node}, not on ${request.node}`)
  return { endpointId: endpoint.id, network: '', node: endpoint.node }
}

function bySandbox(request: DetachRequest): DetachRequest {
  const faults = new Faults()
  faults.try('network', () => parseName(request.network))
  checkNode(faults, request.node)
  faults.try('sandbox', () => checkSandbox(request))
  faults.throwIfAny()
  return request
}

function checkNode(faults: Faults, node: string): void {
  if (node) faults.try('node', () => parseName(node))
  else faults.add('node: name the node that the sandbox is on')
}

async function askNode(
  store: Store,
  links: AgentLinks,
  node: string,
  question: Ask,
  signal: AbortSignal,
): Promise<Answer> {
  if (!links.isConnected(node)) await explainAbsence(store, node)
  return links.ask(node, question, signal)
}

async function explainAbsence(store: Store, node: string): Promise<void> {
  const [record, session] = await Promise.all([store.get(store.keys.node(node)), store.get(store.keys.session(node))])
  if (!record) throw new OverlayError('not_found', `there is no node ${node}`)
  const why = session
    ? 'it is alive, but has no connection to this controller (yet): try again, or see that it reaches the address that the controller advertises'
    : 'it is not alive: start it'
  throw new OverlayError('unavailable', `the agent of node ${node} cannot be asked: ${why}`)
}

function wrongAnswer(node: string): OverlayError {
  return new OverlayError('internal', `the agent of node ${node} answered another question than it was asked`)
}
