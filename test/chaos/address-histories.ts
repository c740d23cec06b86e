/**
 * Each address of a network is a lock: an attach takes it, for its endpoint, and
 * whatever takes the endpoint away gives it back. What clients were told must be
 * possible for such a lock, in an order that the clock allows.
 */
import type { Endpoint } from '../../proto/index.ts'
import { answeredAttach, type Round, unansweredAttaches, type Violation } from './judge.ts'
import { findOrder, type Model, type Step } from './linearizable.ts'
import { isOf, type Operation, operationText } from './operations.ts'
import { lastEffect, mayRemove } from './removals.ts'

type LockAction =
  | { readonly take: string }
  /** Nothing, where another has it, or nobody. */
  | { readonly giveBack: string }
  /** Its owner was read; empty: nobody. */
  | { readonly owner: string }

/** The owner's id; empty while it is free. */
const lock = (initial: string): Model<string, LockAction> => ({
  initial,
  apply(owner, action) {
    // The same again is answered with what is there.
    if ('take' in action) return owner === '' || owner === action.take ? action.take : undefined
    if ('giveBack' in action) return owner === action.giveBack ? '' : owner
    return owner === action.owner ? owner : undefined
  },
  text: (owner) => owner,
})

interface AddressHistory {
  readonly network: string
  readonly address: string
  readonly initial: string
  readonly steps: readonly Step<LockAction>[]
}

/** The addresses that had, by what was told, two owners at once. */
export function judgeAddresses(round: Round): readonly Violation[] {
  return addressHistories(round).flatMap(({ network, address, initial, steps }) => {
    const verdict = findOrder(steps, lock(initial))
    if (verdict.isLinearizable) return []
    const holders = new Set([...steps, ...verdict.stuck].map(({ action }) => Object.values(action)[0]))
    const told = round.operations.filter((each) =>
      isOf(each, 'attach', 'detach')
        ? each.outcome.is === 'done' && holders.has(each.outcome.endpoint?.id)
        : isOf(each, 'rm') && each.action.network === network,
    )
    const line = ({ action, start, end, isOptional }: Step<LockAction>) =>
      `${seconds(start)}-${seconds(end)} ${JSON.stringify(action)}${isOptional ? ' perhaps' : ''}`
    return [
      {
        what: `no order of what was told lets ${address} of ${network} have one owner at a time`,
        operations: [
          `at first: ${initial || 'free'}`,
          ...verdict.order.map((step) => `then ${line(step)}`),
          ...verdict.stuck.map((step) => `then not ${line(step)}`),
          ...told.map(operationText),
        ],
      },
    ]
  })
}

const seconds = (time: number) => (time / 1000).toFixed(3)

export function addressHistories(round: Round): readonly AddressHistory[] {
  const histories = new Map<string, { network: string; address: string; endpoints: Map<string, Endpoint> }>()
  const note = (endpoint: Endpoint) => {
    for (const address of endpoint.addresses) {
      const key = `${endpoint.networkUid} ${address}`
      const history = histories.get(key) ?? { network: endpoint.network, address, endpoints: new Map() }
      history.endpoints.set(endpoint.id, endpoint)
      histories.set(key, history)
    }
  }
  const taken = round.operations.flatMap(answeredAttach)
  for (const endpoint of [...round.before.endpoints.values(), ...round.after.endpoints.values()]) note(endpoint)
  for (const { endpoint } of taken) note(endpoint)
  return [...histories.values()].map(({ network, address, endpoints }) => {
    const ids = (state: Round['before']) => [...endpoints.keys()].filter((id) => state.endpoints.has(id))
    const reads = ids(round.after)
    // More than one owner in what was read is told by whoever compares records; here one of them is in the way.
    const owners = reads.length > 0 ? reads : ['']
    return {
      network,
      address,
      initial: ids(round.before)[0] ?? '',
      steps: [
        ...[...endpoints.values()].flatMap((endpoint) => stepsOf(round, endpoint)),
        ...owners.map((owner): Step<LockAction> => ({ action: { owner }, start: round.settled, end: round.settled })),
      ],
    }
  })
}

function stepsOf(round: Round, endpoint: Endpoint): readonly Step<LockAction>[] {
  const { operations, settled, before, after } = round
  const { id } = endpoint
  const takes = operations
    .flatMap(answeredAttach)
    .filter((each) => each.endpoint.id === id)
    .map(({ start, end }): Step<LockAction> => ({ action: { take: id }, start, end }))
  const told = Math.max(-Infinity, ...takes.map(({ start }) => start))
  const isUnanswered = takes.length === 0 && !before.endpoints.has(id) && after.endpoints.has(id)
  const calls = isUnanswered ? unansweredAttaches(operations, endpoint).map(({ start }) => start) : []
  const late = calls.length > 0 ? [{ action: { take: id }, start: Math.min(...calls), end: settled }] : []
  return [...takes, ...late, ...operations.filter((each) => mayRemove(each, endpoint)).map(release)]

  function release(operation: Operation): Step<LockAction> {
    const { start, outcome, action } = operation
    const end = lastEffect(operation, settled, told)
    const isSure = action.do === 'detach' && outcome.is === 'done'
    return { action: { giveBack: id }, start, end, ...(isSure ? {} : { isOptional: true }) }
  }
}
