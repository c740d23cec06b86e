/** What a run is about: its hosts, networks, sandboxes, and who asks for what how often. */
import { netnsPath } from '../lab/netns-name.ts'
import type { Action, Slot } from './operations.ts'
import type { Random } from './random.ts'

export const hostNames = ['h1', 'h2', 'h3'] as const
export const controllerNames = ['controller-1', 'controller-2'] as const
const clientCount = 6
/** Sandboxes of each client, on each host. */
const slotsOfEach = 2

/** The network of the pair whose pings must not notice any fault: no client touches it, nor any drift. */
export const steadyNetwork = 'steady'

/** Networks come and go under these names; each has room to grow, and is soon full. */
const networks = Array.from({ length: 5 }, (_, n) => ({
  name: `net${n}`,
  small: `10.50.${n}.0/28`,
  large: `10.50.${n}.0/27`,
  addresses: [2, 3, 4, 5, 6].map((last) => `10.50.${n}.${last}`),
}))
const endpointNames = ['db', 'web', 'cache', 'queue']
/** How they are made before the first round. */
export const firstNetworks: readonly Action[] = networks.map(({ name, small }) => ({
  do: 'create',
  via: controllerNames[0],
  network: name,
  cidr: small,
}))
/** Drained, and forgotten, with all that it has: the steady pair is on the other two. */
const drainedNode = 'h3'

/** What each client does, and how often; only one of them drains and forgets, so that it is known what is drained. */
const weights = { attach: 50, detach: 26, vanish: 6, create: 10, rm: 4, grow: 4, drain: 0, undrain: 0, forget: 0 }
const weightsOfDrainer = { ...weights, drain: 3, undrain: 5, forget: 3 }

/** What a client decided to do next, all at once, so that what comes of one step does not change the next. */
export interface Decision {
  /** Milliseconds before it. */
  readonly pause: number
  readonly action: Action
  /** From 0 to 1: which of the endpoints that it was told of a detach is about, rather than a sandbox at random. */
  readonly choice: number | undefined
  /** After a vanish: milliseconds until the sandbox is there again. */
  readonly absence: number
}

export interface ClientSetting {
  readonly name: string
  readonly slots: readonly Slot[]
  readonly isDrainer: boolean
}

export function clientSettings(labId: string): readonly ClientSetting[] {
  return Array.from({ length: clientCount }, (_, client) => ({
    name: `client-${client + 1}`,
    isDrainer: client === 0,
    slots: hostNames.flatMap((host) =>
      Array.from({ length: slotsOfEach }, (_, n) => slotAt(labId, `c${client + 1}-${host}-${n + 1}`, host)),
    ),
  }))
}

function slotAt(labId: string, name: string, host: string): Slot {
  return { name, path: netnsPath(labId, `s-${name}`), host }
}

export function decide(random: Random, { slots, isDrainer }: ClientSetting): Decision {
  const kind = random.weighted(isDrainer ? weightsOfDrainer : weights)
  // Everything is drawn each time, needed or not: a stream stays in step, whatever is chosen.
  const { name: network, small, large, addresses } = random.pick(networks)
  const slot = random.pick(slots)
  const controller = random.pick(controllerNames)
  const via = random.chance(0.75) ? 'agent' : controller
  const name = random.chance(0.3) ? random.pick(endpointNames) : (random.next(), '')
  const address = random.chance(0.35) ? random.pick(addresses) : (random.next(), undefined)
  const decision = {
    pause: 20 + random.below(300),
    choice: random.chance(0.7) ? random.next() : (random.next(), undefined),
    absence: random.below(2_000),
  }
  const flag = random.chance(0.5)
  const action = ((): Action => {
    switch (kind) {
      case 'attach':
        return { do: kind, via, network, slot, name, addresses: address === undefined ? [] : [address] }
      case 'detach':
        return { do: kind, via, network, slot, endpointId: undefined }
      case 'create':
        return { do: kind, via: controller, network, cidr: small }
      case 'grow':
        return { do: kind, via: controller, network, cidr: large }
      case 'rm':
        return { do: kind, via: controller, network, force: flag }
      case 'drain':
        return { do: kind, via: controller, node: drainedNode, keep: flag }
      case 'undrain':
      case 'forget':
        return { do: kind, via: controller, node: drainedNode }
      case 'vanish':
        return { do: kind, slot }
    }
  })()
  return { ...decision, action }
}
