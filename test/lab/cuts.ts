/** Cuts between members of the underlay: the switch drops what one sends to another. */
import type { Lab } from './lab.ts'
import { netnsAt } from './netns.ts'

/** From one address to another, that way only. */
export type Way = readonly [from: string, to: string]

export interface Cuts {
  /** From now on nothing goes these ways; may overlap with other cuts. @returns how to end that. @throws Error when it cannot be; then it is not. */
  cut(ways: readonly Way[]): Promise<() => Promise<void>>
  /** Ends them all. */
  heal(): Promise<void>
}

/**
 * One for a lab. ARP goes on: what is lost are IPv4 packets, without a word to
 * who sent them. It takes effect on connections that are open, too.
 */
export function createCuts({ id, directory }: Pick<Lab, 'id' | 'directory'>): Cuts {
  const underlay = netnsAt(id, directory, 'underlay')
  const inForce = new Set<readonly Way[]>()
  // The rules are written anew as a whole: one transaction, whatever was there. Their priority is above
  // br_netfilter's: Linux 6.1, where that is loaded, passes over all others of the bridge's forward hook.
  const write = async () => {
    const elements = [...new Set([...inForce].flat().map(([from, to]) => `${from} . ${to}`))]
    const set = elements.length > 0 ? `elements = { ${elements.join(', ')} };` : ''
    await underlay.exec(['nft', '-f', '-'], {
      input: `table bridge cuts {}
        delete table bridge cuts
        table bridge cuts {
          set ways { type ipv4_addr . ipv4_addr; ${set} }
          chain forward { type filter hook forward priority 1; policy accept; ip saddr . ip daddr @ways drop; }
        }
      `,
    })
  }
  let written: Promise<void> = Promise.resolve()
  const writeInTurn = () => {
    written = written.catch(() => undefined).then(write)
    return written
  }
  return {
    async cut(ways) {
      inForce.add(ways)
      await writeInTurn().catch((error: unknown) => {
        // Nobody gets to end it.
        inForce.delete(ways)
        throw error
      })
      return async () => {
        if (inForce.delete(ways)) await writeInTurn()
      }
    },
    async heal() {
      inForce.clear()
      await writeInTurn()
    },
  }
}

/** All ways from each of the first to each of the second, and back. */
export function between(some: readonly string[], others: readonly string[]): readonly Way[] {
  return some.flatMap((one) => others.flatMap((other): Way[] => [...oneWay(one, other), ...oneWay(other, one)]))
}

function oneWay(from: string, to: string): readonly Way[] {
  return from === to ? [] : [[from, to]]
}
