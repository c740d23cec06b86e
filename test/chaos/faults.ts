/** Which faults come when: drawn from the seed alone, whatever becomes of them. */
import type { Random } from './random.ts'
import { controllerNames, hostNames } from './setting.ts'

const etcdNames = ['etcd1', 'etcd2', 'etcd3'] as const
export type Direction = 'both' | 'there' | 'back'

export type Fault =
  | {
      readonly kind: 'kill' | 'freeze'
      readonly of: 'agent' | 'controller' | 'etcd'
      readonly targets: readonly string[]
    }
  /** Packets between the two sides are dropped, in one or both directions. */
  | {
      readonly kind: 'cut'
      readonly of: 'agent-etcd' | 'controller-etcd' | 'etcd-etcd' | 'host-host'
      readonly some: readonly string[]
      readonly others: readonly string[]
      readonly direction: Direction
    }
  /** Another member leads; what is old is compacted, and each member defragmented. */
  | { readonly kind: 'leader' | 'compact' }
  /** Somebody changes the kernel behind an agent's back. `choice` picks among what is there then. */
  | { readonly kind: 'drift'; readonly of: Drift; readonly host: string; readonly choice: number }

const drifts = [
  'bridge',
  'vxlan',
  'veth',
  'remote-entry',
  'port-entry',
  'neighbour',
  'gateway',
  'down',
  'inside',
  'table',
] as const
export type Drift = (typeof drifts)[number]

export interface ScheduledFault {
  readonly fault: Fault
  /** Milliseconds since the one before it began. */
  readonly after: number
  /** Milliseconds until it is undone. */
  readonly lasts: number
}

const weights = { kill: 30, freeze: 20, cut: 25, leader: 5, compact: 5, drift: 25 }

export function nextFault(random: Random): ScheduledFault {
  const kind = random.weighted(weights)
  const after = 300 + random.below(1_700)
  const lasts = 1_000 + random.below(7_000)
  const choice = random.next()
  const fault = ((): Fault => {
    switch (kind) {
      case 'kill':
      case 'freeze': {
        const of = random.weighted({ agent: 5, controller: 3, etcd: 3 })
        return { kind, of, targets: targets(random, of) }
      }
      case 'cut':
        return cut(random)
      case 'leader':
      case 'compact':
        return { kind }
      case 'drift':
        return { kind, of: random.pick(drifts), host: random.pick(hostNames), choice }
    }
  })()
  return { fault, after, lasts: kind === 'kill' ? lasts / 2 : lasts }
}

/** One, of etcd now and then all. */
function targets(random: Random, of: 'agent' | 'controller' | 'etcd'): readonly string[] {
  const names = { agent: hostNames, controller: controllerNames, etcd: etcdNames }[of]
  return random.chance(of === 'etcd' ? 0.08 : 0.2) ? names : [random.pick(names)]
}

function cut(random: Random): Fault {
  const of = random.weighted({ 'agent-etcd': 4, 'controller-etcd': 2, 'etcd-etcd': 3, 'host-host': 3 })
  const direction = random.weighted({ both: 3, there: 1, back: 1 })
  const host = random.pick(hostNames)
  const member = random.pick(etcdNames)
  const isWhole = random.chance(0.6)
  const members = isWhole ? etcdNames : [member]
  const sides = {
    'agent-etcd': [[host], members],
    'controller-etcd': [[random.pick(controllerNames)], members],
    'etcd-etcd': [[member], etcdNames.filter((other) => other !== member)],
    // The steady pair is on the other two.
    'host-host': [['h3'], isWhole ? ['h1', 'h2'] : [host === 'h3' ? 'h1' : host]],
  } as const
  const [some, others] = sides[of]
  return { kind: 'cut', of, some, others, direction }
}

/** What a fault is about, for counting. */
export function faultName(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'freeze':
      return fault.targets.length > 1 ? `${fault.kind} every ${fault.of}` : `${fault.kind} ${fault.of}`
    case 'cut':
      return fault.direction === 'both' ? `cut ${fault.of}` : `cut ${fault.of} one way`
    case 'leader':
      return 'move etcd leader'
    case 'compact':
      return 'compact etcd'
    case 'drift':
      return `drift ${fault.of}`
  }
}

/** A line for a person. */
export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'freeze':
      return `${fault.kind} ${fault.targets.join(', ')}`
    case 'cut': {
      const arrow = { both: '<->', there: '-->', back: '<--' }[fault.direction]
      return `cut ${fault.some.join(', ')} ${arrow} ${fault.others.join(', ')}`
    }
    case 'leader':
      return 'another member becomes the leader of etcd'
    case 'compact':
      return 'etcd is compacted and defragmented'
    case 'drift':
      return `${fault.of} on ${fault.host}`
  }
}
