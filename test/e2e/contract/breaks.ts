/** What others do to a host of the overlay, and what is told of it when it is mended. */
import type { Workload } from '../workload.ts'

/** Names of links on h1, and who lives there and elsewhere. */
export interface Scene {
  readonly bridge: string
  readonly vxlan: string
  /** The VXLAN device of a network that has a flood entry for each host. */
  readonly flooded: string
  /** On h1. */
  readonly a: Workload
  /** On another host. */
  readonly c: Workload
}

export interface Break {
  readonly name: string
  /** On h1, by a shell. */
  readonly command: (scene: Scene) => string
  /** In the sandbox of `a` instead. */
  readonly isInside?: boolean
  /** What the event tells of, as a pattern; the rest of what is told is not looked at. */
  readonly told: (scene: Scene) => string
}

/** The host's end of an endpoint's veth pair. */
const veth = ({ endpoint }: Workload) => `ove${endpoint.id.slice(0, 12)}`

/** By the contract's lines. D4, D7 and D8 have tests of their own. */
export const breaks: Readonly<Record<'D1' | 'D2' | 'D3' | 'D5' | 'D6', readonly Break[]>> = {
  D1: [
    {
      name: 'bridge deleted',
      command: ({ bridge }) => `ip link del ${bridge}`,
      told: ({ bridge }) => `^link ${bridge}$`,
    },
    {
      name: 'VXLAN device deleted',
      command: ({ vxlan }) => `ip link del ${vxlan}`,
      told: ({ vxlan }) => `^link ${vxlan}$`,
    },
    {
      name: 'veth deleted on the host',
      command: ({ a }) => `ip link del ${veth(a)}`,
      told: ({ a }) => `^link ${veth(a)}$`,
    },
    {
      name: 'veth deleted in the sandbox',
      command: () => 'ip link del eth0',
      told: ({ a }) => `^link ${veth(a)}$`,
      isInside: true,
    },
  ],
  D2: [
    {
      name: 'port flags changed',
      command: ({ vxlan, a }) =>
        `bridge link set dev ${vxlan} learning on flood on neigh_suppress off; bridge link set dev ${veth(a)} isolated on flood on`,
      told: ({ vxlan, a }) => `^link (${vxlan}|${veth(a)})$`,
    },
    {
      name: 'MTU changed',
      command: ({ bridge, vxlan, a }) =>
        `ip link set ${bridge} mtu 1280; ip link set ${vxlan} mtu 1280; ip link set ${veth(a)} mtu 1280`,
      told: ({ bridge, vxlan, a }) => `^link (${bridge}|${vxlan}|${veth(a)})$`,
    },
    {
      name: 'links taken down',
      command: ({ bridge, vxlan, a }) =>
        `ip link set ${bridge} down; ip link set ${vxlan} down; ip link set ${veth(a)} down`,
      told: ({ bridge, vxlan, a }) => `^link (${bridge}|${vxlan}|${veth(a)})$`,
    },
    {
      name: 'a port taken from its bridge',
      command: ({ a }) => `ip link set ${veth(a)} nomaster`,
      told: ({ a }) => `^link ${veth(a)}$`,
    },
    {
      name: 'MACs changed',
      command: ({ bridge, vxlan }) =>
        `ip link set ${bridge} address 02:00:00:00:00:01; ip link set ${vxlan} address 02:00:00:00:00:02`,
      told: ({ bridge, vxlan }) => `^link (${bridge}|${vxlan})$`,
    },
    {
      name: 'alias changed',
      command: ({ vxlan }) => `ip link set ${vxlan} alias ""`,
      told: ({ vxlan }) => `^link ${vxlan}$`,
    },
  ],
  D3: [
    {
      name: 'FDB entry of a port deleted',
      command: ({ a }) => `bridge fdb del ${a.endpoint.mac} dev ${veth(a)} master`,
      told: ({ a }) => `^fdb ${veth(a)} ${a.endpoint.mac}$`,
    },
    {
      name: 'FDB entries of a remote endpoint deleted',
      command: ({ vxlan, c }) =>
        `bridge fdb del ${c.endpoint.mac} dev ${vxlan} master; bridge fdb del ${c.endpoint.mac} dev ${vxlan} dst ${c.host.address} self`,
      told: ({ vxlan, c }) => `^fdb ${vxlan} ${c.endpoint.mac}$`,
    },
    {
      name: 'FDB entry led elsewhere',
      command: ({ vxlan, c }) => `bridge fdb replace ${c.endpoint.mac} dev ${vxlan} dst 192.0.2.99 self static`,
      told: ({ vxlan, c }) => `^fdb ${vxlan} ${c.endpoint.mac}$`,
    },
    {
      name: 'flood entry deleted',
      command: ({ flooded, c }) => `bridge fdb del 00:00:00:00:00:00 dev ${flooded} dst ${c.host.address} self`,
      told: ({ flooded }) => `^flood ${flooded} `,
    },
    {
      name: 'neighbour entries deleted',
      command: ({ bridge, c }) => `ip neighbour del ${c.address} dev ${bridge}`,
      told: ({ bridge, c }) => `^neighbour ${bridge} ${c.address}$`,
    },
  ],
  D5: [
    {
      name: 'addresses and routes removed',
      command: () => 'ip addr flush dev eth0',
      told: ({ a }) => `^link ${veth(a)}$`,
      isInside: true,
    },
    {
      name: 'MTU inside changed',
      command: () => 'ip link set eth0 mtu 1280',
      told: ({ a }) => `^link ${veth(a)}$`,
      isInside: true,
    },
    {
      name: 'taken down inside',
      command: () => 'ip link set eth0 down',
      told: ({ a }) => `^link ${veth(a)}$`,
      isInside: true,
    },
    {
      name: 'default route removed',
      command: () => 'ip route del default',
      told: ({ a }) => `^link ${veth(a)}$`,
      isInside: true,
    },
  ],
  D6: [
    {
      name: 'our table deleted',
      command: () => 'nft delete table inet overlay',
      told: () => '^(isolation|bridge-pass)',
    },
  ],
}
