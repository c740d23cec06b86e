/** What the clients of a run do, and what they were told: the record that all is checked by. */
import type { ErrorCode } from '../../lib/errors.ts'
import type { Endpoint, Network } from '../../proto/index.ts'

/** A sandbox that comes and goes under one name, on one host. */
export interface Slot {
  /** As the lab knows it. */
  readonly name: string
  /** Where it is found while it is there. */
  readonly path: string
  readonly host: string
}

/** Who is asked: the agent of the host, or one of the controllers by its name. */
export type Via = string

export type Action =
  | {
      readonly do: 'attach'
      readonly via: Via
      readonly network: string
      readonly slot: Slot
      /** Empty: none. */
      readonly name: string
      readonly addresses: readonly string[]
    }
  | {
      readonly do: 'detach'
      readonly via: Via
      readonly network: string
      readonly slot: Slot
      /** Undefined: by network and sandbox. */
      readonly endpointId: string | undefined
    }
  | { readonly do: 'create'; readonly via: Via; readonly network: string; readonly cidr: string }
  | { readonly do: 'grow'; readonly via: Via; readonly network: string; readonly cidr: string }
  | { readonly do: 'rm'; readonly via: Via; readonly network: string; readonly force: boolean }
  | { readonly do: 'drain'; readonly via: Via; readonly node: string; readonly keep: boolean }
  | { readonly do: 'undrain'; readonly via: Via; readonly node: string }
  /** `node rm --force`, whether the node is up or not. */
  | { readonly do: 'forget'; readonly via: Via; readonly node: string }
  /** The namespace is deleted, whatever is in it. */
  | { readonly do: 'vanish'; readonly slot: Slot }
  | { readonly do: 'appear'; readonly slot: Slot }

export interface Done {
  readonly is: 'done'
  /** What was attached or detached. */
  readonly endpoint?: Endpoint | undefined
  readonly isAlreadyAttached?: boolean
  /** Of a detach: what is still to be done. */
  readonly warning?: string
  /** What was created, changed or removed. */
  readonly network?: Network | undefined
}

export type Outcome =
  | Done
  /** It was not done, and will not be: it may have got half way where it consists of many. */
  | { readonly is: 'refused'; readonly code: ErrorCode; readonly message: string; readonly isSent: boolean }
  /** It was done or not, or will be, for a while. */
  | { readonly is: 'unknown'; readonly code: ErrorCode; readonly message: string }

export interface Operation {
  readonly client: string
  /** Milliseconds on a clock that only goes forward. */
  readonly start: number
  readonly end: number
  readonly action: Action
  readonly outcome: Outcome
}

/** The operations of those kinds. */
export type OperationOf<K extends Action['do']> = Operation & { readonly action: Extract<Action, { readonly do: K }> }

export function isOf<K extends Action['do']>(
  operation: Operation,
  ...kinds: readonly K[]
): operation is OperationOf<K> {
  return (kinds as readonly string[]).includes(operation.action.do)
}

/** Writes down what clients do. */
export interface Recorder {
  readonly operations: readonly Operation[]
  /** Runs it, and records it with its times. @returns its outcome. */
  record(client: string, action: Action, run: () => Promise<Outcome>): Promise<Outcome>
}

export function createRecorder(now: () => number): Recorder {
  const operations: Operation[] = []
  return {
    operations,
    async record(client, action, run) {
      const start = now()
      const outcome = await run()
      operations.push({ client, start, end: now(), action, outcome })
      return outcome
    },
  }
}

/** One line for a person. */
export function operationText({ client, start, end, action, outcome }: Operation): string {
  const time = `${(start / 1000).toFixed(3)}-${(end / 1000).toFixed(3)}`
  return `${time} ${client}: ${actionText(action)} -> ${outcomeText(outcome)}`
}

function actionText(action: Action): string {
  switch (action.do) {
    case 'attach': {
      const wishes = [action.name && `--name ${action.name}`, ...action.addresses.map((ip) => `--ip ${ip}`)]
      return ['attach', action.network, at(action.slot), ...wishes.filter(Boolean), `(${action.via})`].join(' ')
    }
    case 'detach':
      return `detach ${action.endpointId ?? `${action.network} ${at(action.slot)}`} (${action.via})`
    case 'create':
    case 'grow':
      return `${action.do} ${action.network} ${action.cidr} (${action.via})`
    case 'rm':
      return `rm ${action.force ? '--force ' : ''}${action.network} (${action.via})`
    case 'drain':
      return `drain ${action.keep ? '--keep-endpoints ' : ''}${action.node} (${action.via})`
    case 'undrain':
    case 'forget':
      return `${action.do} ${action.node} (${action.via})`
    case 'vanish':
    case 'appear':
      return `${action.do} ${at(action.slot)}`
  }
}

const at = ({ name, host }: Slot) => `${name}@${host}`

function outcomeText(outcome: Outcome): string {
  if (outcome.is !== 'done') return `${outcome.is} ${outcome.code}: ${outcome.message}`
  const { endpoint, network, isAlreadyAttached, warning } = outcome
  const what = [
    endpoint && `${endpoint.id} ${endpoint.addresses.join(' ')}`,
    network && `${network.uid} ${network.vni}`,
    isAlreadyAttached && 'already attached',
    warning && `warning: ${warning}`,
  ]
  return ['done', ...what.filter(Boolean)].join(' ')
}
