/** Whether what is there after a round is what its clients were told, and nothing else. */
import { parseCidr } from '../../lib/ip.ts'
import type { Endpoint, Network } from '../../proto/index.ts'
import { type Done, isOf, type Operation, type OperationOf, operationText } from './operations.ts'
import { isInternal } from './outcomes.ts'
import { isIn, lastEffect, mayRemove, surelyRemoves } from './removals.ts'
import type { ClusterState } from './state.ts'

/** From one moment when all was well, and nobody asked for anything, to the next one. */
export interface Round {
  readonly before: ClusterState
  readonly operations: readonly Operation[]
  /** Drains of nodes, and their ends, in the rounds before it. */
  readonly formerTurns: readonly DrainTurn[]
  readonly after: ClusterState
  /** When `after` was true. */
  readonly settled: number
}

/** What decides whether a node is drained: a node that is forgotten comes back without the mark. */
export type DrainTurn = OperationOf<'drain' | 'undrain' | 'forget'>

export function drainTurns(operations: readonly Operation[]): readonly DrainTurn[] {
  return operations.filter((each) => isOf(each, 'drain', 'undrain', 'forget'))
}

export interface Violation {
  readonly what: string
  /** Those concerned. */
  readonly operations: readonly string[]
}

/** Everything that is not as it was told. */
export function judge(round: Round): readonly Violation[] {
  return [...judgeEndpoints(round), ...judgeNetworks(round), ...judgeAnswers(round), ...judgeDrains(round)]
}

/** When an endpoint was told to be there: by an answer, or by what was read before the round. */
interface Told {
  readonly endpoint: Endpoint
  readonly start: number
  readonly end: number
}

function toldOf({ before, operations }: Round): ReadonlyMap<string, Told> {
  const told = new Map<string, Told>()
  for (const endpoint of before.endpoints.values())
    told.set(endpoint.id, { endpoint, start: -Infinity, end: -Infinity })
  for (const { endpoint, start, end } of operations.flatMap(answeredAttach)) {
    const last = told.get(endpoint.id)
    if (!last || last.start < start) told.set(endpoint.id, { endpoint, start, end })
  }
  return told
}

/** An attach that was answered with an endpoint, if the operation is one. */
export function answeredAttach(operation: Operation) {
  const { action, outcome, start, end } = operation
  if (action.do !== 'attach' || outcome.is !== 'done' || !outcome.endpoint) return []
  return [{ operation, action, endpoint: outcome.endpoint, isAlreadyAttached: outcome.isAlreadyAttached, start, end }]
}

function judgeEndpoints(round: Round): readonly Violation[] {
  const { operations, after, settled } = round
  const told = toldOf(round)
  const violation = (what: string, endpoint: Endpoint): Violation => ({
    what: `endpoint ${describe(endpoint)} ${what}`,
    operations: operations.filter((each) => concerns(each, endpoint)).map(operationText),
  })
  const lost = [...told.values()].flatMap(({ endpoint, start, end }) => {
    const removals = operations.filter((each) => mayRemove(each, endpoint) && lastEffect(each, settled, start) > start)
    const now = after.endpoints.get(endpoint.id)
    if (!now) return removals.length > 0 ? [] : [violation('was told to be there, and is gone', endpoint)]
    // Whose sandbox came back in time may have been attached again, without an answer.
    const isAgain = unansweredAttaches(operations, endpoint).length > 0
    const sure = removals.filter(
      (each) => surelyRemoves(each, endpoint) && each.start > end && !(isAgain && each.action.do === 'vanish'),
    )
    if (sure.length > 0) return [violation('was told to be gone, and is there', endpoint)]
    const changed = difference(endpoint, now)
    return changed ? [violation(`is another than was told: ${changed}`, endpoint)] : []
  })
  const unasked = [...after.endpoints.values()]
    .filter(({ id }) => !told.has(id))
    .filter((endpoint) => unansweredAttaches(operations, endpoint).length === 0)
    .map((endpoint) => violation('is there, and nobody asked for it or was refused', endpoint))
  return [...lost, ...unasked]
}

/** Attaches without an answer that may have made the endpoint. */
export function unansweredAttaches(
  operations: readonly Operation[],
  endpoint: Endpoint,
): readonly OperationOf<'attach'>[] {
  return operations
    .filter((each) => isOf(each, 'attach'))
    .filter(({ outcome, action }) => {
      const { network, slot, name, addresses } = action
      if (outcome.is !== 'unknown' || network !== endpoint.network || !isIn(endpoint, slot)) return false
      return name === endpoint.name && addresses.every((ip) => endpoint.addresses.includes(ip))
    })
}

function concerns(operation: Operation, endpoint: Endpoint): boolean {
  const { action, outcome } = operation
  if (outcome.is === 'done' && outcome.endpoint?.id === endpoint.id) return true
  if (action.do === 'attach') return action.network === endpoint.network && isIn(endpoint, action.slot)
  if (action.do === 'appear') return isIn(endpoint, action.slot)
  if (action.do === 'detach' && outcome.is === 'refused')
    return action.network === endpoint.network && isIn(endpoint, action.slot)
  return mayRemove(operation, endpoint)
}

function judgeNetworks({ before, operations, after }: Round): readonly Violation[] {
  const told = new Map<string, { network: Network; start: number; end: number }>()
  for (const network of before.networks.values()) told.set(network.uid, { network, start: -Infinity, end: -Infinity })
  for (const { action, outcome, start, end } of operations) {
    if (outcome.is !== 'done' || !outcome.network) continue
    if (action.do === 'create') told.set(outcome.network.uid, { network: outcome.network, start, end })
  }
  const ofNetwork = (name: string) => (each: Operation) =>
    isOf(each, 'create', 'rm', 'grow') && each.action.network === name
  const violation = (what: string, { name, uid }: Network): Violation => ({
    what: `network ${name} (${uid}) ${what}`,
    operations: operations.filter(ofNetwork(name)).map(operationText),
  })
  const lost = [...told.values()].flatMap(({ network, start }) => {
    const { name, uid, vni } = network
    const now = after.networks.get(name)
    const removals = operations.filter((each) => isOf(each, 'rm') && each.action.network === name && each.end > start)
    const removed = removals.find(({ outcome }) => outcome.is === 'done' && outcome.network?.uid === uid)
    if (now?.uid !== uid) {
      const may = removed ?? removals.find(({ outcome }) => outcome.is === 'unknown')
      return may ? [] : [violation('was told to be there, and is gone', network)]
    }
    if (removed) return [violation('was told to be gone, and is there', network)]
    if (now.vni !== vni) return [violation(`has VNI ${now.vni}, not ${vni} as was told`, network)]
    const grown = operations.flatMap((each) => grownTo(each, uid)).find((cidr) => !isWithin(now, cidr))
    return grown ? [violation(`was told to have grown to ${grown}, and has not`, network)] : []
  })
  const unasked = [...after.networks.values()]
    .filter(({ uid }) => !told.has(uid))
    .filter(
      ({ name }) =>
        !operations.some((each) => isOf(each, 'create') && ofNetwork(name)(each) && each.outcome.is === 'unknown'),
    )
    .map((network) => violation('is there, and nobody made it or was refused', network))
  return [...lost, ...unasked]
}

function grownTo(operation: Operation, uid: string): readonly string[] {
  const { outcome } = operation
  if (!isOf(operation, 'grow') || outcome.is !== 'done' || outcome.network?.uid !== uid) return []
  return [operation.action.cidr]
}

/** Whether one of the network's subnets is this one, or has grown beyond it. */
function isWithin({ subnets }: Network, text: string): boolean {
  const { prefix, family } = parseCidr(text)
  return subnets.map(({ cidr }) => parseCidr(cidr)).some((now) => now.family === family && now.prefix <= prefix)
}

/** Each answer says what was asked for, and none that a peer has failed by itself. */
function judgeAnswers({ operations }: Round): readonly Violation[] {
  const one = (operation: Operation, what: string): Violation => ({ what, operations: [operationText(operation)] })
  const bare = operations.filter(({ action, outcome }) => outcome.is === 'done' && lacks(action.do, outcome))
  return [
    ...operations.flatMap(answeredAttach).flatMap(({ operation, action, endpoint }) => {
      const faults = wrongIn(action, endpoint)
      return faults.length === 0 ? [] : [one(operation, `an attach was answered with an endpoint ${faults.join(', ')}`)]
    }),
    ...operations
      .filter(({ outcome }) => isInternal(outcome))
      .map((each) => one(each, `the answer to ${each.action.do} was an internal error`)),
    ...bare.map((each) => one(each, `the answer to ${each.action.do} does not say what was done`)),
  ]
}

function wrongIn(action: OperationOf<'attach'>['action'], endpoint: Endpoint): readonly string[] {
  const { network, slot, name, addresses } = action
  return [
    network === endpoint.network ? [] : `in ${endpoint.network}`,
    slot.host === endpoint.node ? [] : `on ${endpoint.node}`,
    slot.path === endpoint.sandbox?.path ? [] : `in ${endpoint.sandbox?.path}`,
    name === '' || name === endpoint.name ? [] : `named "${endpoint.name}"`,
    addresses.every((ip) => endpoint.addresses.includes(ip)) ? [] : `with ${endpoint.addresses.join(', ')}`,
  ].flat()
}

/** Whether the answer is without what it is about. */
function lacks(kind: Operation['action']['do'], { endpoint, network }: Done): boolean {
  switch (kind) {
    case 'attach':
    case 'detach':
      return endpoint === undefined
    case 'create':
    case 'grow':
    case 'rm':
      return network === undefined
    case 'drain':
    case 'undrain':
    case 'forget':
    case 'vanish':
    case 'appear':
      return false
  }
}

/** From the answer to a drain until it is asked to end, nothing new comes to the node. */
function judgeDrains({ before, operations, formerTurns }: Round): readonly Violation[] {
  const turns = [...formerTurns, ...drainTurns(operations)].filter(
    ({ outcome }) => outcome.is !== 'refused' || outcome.isSent,
  )
  return operations.flatMap(answeredAttach).flatMap((answered) => {
    const { operation, action, endpoint, isAlreadyAttached, start, end } = answered
    // Whose sandbox was started anew has its endpoint back: that is nothing new.
    const former = operations.filter((each) => each.start < start)
    const isFormer =
      before.endpoints.has(endpoint.id) ||
      former.flatMap(answeredAttach).some((each) => each.endpoint.id === endpoint.id) ||
      unansweredAttaches(former, endpoint).length > 0
    if (isAlreadyAttached || isFormer) return []
    const ofNode = turns.filter((turn) => turn.action.node === action.slot.host)
    const last = ofNode.filter((turn) => turn.start < end).toSorted((a, b) => b.start - a.start)[0]
    if (last?.action.do !== 'drain' || last.outcome.is !== 'done' || last.end > start) return []
    return [
      {
        what: `${action.slot.host} was drained, and took a new endpoint`,
        operations: [last, operation].map(operationText),
      },
    ]
  })
}

function difference(told: Endpoint, now: Endpoint): string | undefined {
  const fields = ['network', 'networkUid', 'name', 'node', 'mac', 'ifname'] as const
  const field = fields.find((each) => told[each] !== now[each])
  if (field) return `${field} was ${told[field]}, is ${now[field]}`
  const [was, is] = [told, now].map(({ addresses }) => addresses.toSorted().join(', '))
  return was === is ? undefined : `addresses were ${was}, are ${is}`
}

function describe({ id, name, network, node, addresses }: Endpoint): string {
  return `${id}${name && ` (${name})`} of ${network} on ${node} with ${addresses.join(', ')}`
}
