/**
 * What joins the hosts: a bridge in a namespace of its own, and a veth pair to
 * each host, made inside the namespaces: the machine's own sees none of it.
 */
import { execa } from 'execa'
import { netnsName } from './netns-name.ts'

/** The interface of every host that carries the underlay. */
export const underlayInterface = 'eth0'

export interface Underlay {
  readonly labId: string
  /** Inner names of the namespaces, in the order of their addresses. */
  readonly members: readonly UnderlayMember[]
  /** Bytes. */
  readonly mtu: number
  readonly ipv6: boolean
}

export interface UnderlayMember {
  readonly name: string
  /** The last part of its addresses, 1 to 254. */
  readonly number: number
}

export const underlayAddress = (number: number) => `192.168.200.${number}`
export const underlayAddress6 = (number: number) => `fd00:200::${number.toString(16)}`

/** Makes the namespaces and joins them. @throws Error with the words of `ip`. */
export async function buildUnderlay({ labId, members, mtu, ipv6 }: Underlay): Promise<void> {
  await batch(
    undefined,
    ['underlay', ...members.map(({ name }) => name)].map((name) => `netns add ${netnsName(labId, name)}`),
  )
  const peers = members.map(({ name }) => ({ port: `to-${name}`, netns: netnsName(labId, name) }))
  await batch(netnsName(labId, 'underlay'), [
    'link set lo up',
    // No spanning tree, no snooping, no addresses: a bare switch that adds no frames of its own.
    `link add switch mtu ${mtu} type bridge mcast_snooping 0`,
    'link set switch addrgenmode none up',
    ...peers.flatMap(({ port, netns }) => [
      `link add ${port} mtu ${mtu} type veth peer name ${underlayInterface} mtu ${mtu} netns ${netns}`,
      `link set ${port} master switch addrgenmode none up`,
    ]),
  ])
  for (const { name, number } of members)
    await batch(netnsName(labId, name), [
      'link set lo up',
      `address add ${underlayAddress(number)}/24 dev ${underlayInterface}`,
      ...(ipv6 ? [`address add ${underlayAddress6(number)}/64 dev ${underlayInterface} nodad`] : []),
      `link set ${underlayInterface} addrgenmode none up`,
    ])
}

/** Runs lines for `ip`, in a namespace or, for `netns`, outside of any. */
export async function batch(netns: string | undefined, lines: readonly string[]): Promise<void> {
  const where = netns === undefined ? [] : ['-n', netns]
  await execa('ip', [...where, '-batch', '-'], { input: lines.map((line) => `${line}\n`).join('') })
}
