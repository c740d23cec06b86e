/** What joins the machines: a bridge in a namespace of its own, with a tap device for each of them. */
import { execa } from 'execa'
import { netnsName, netnsPath } from '../../lab/netns-name.ts'
import { batch, underlayAddress } from '../../lab/underlay.ts'

/** Where the machines' qemu runs. */
const inner = 'machines'

export interface Switch {
  /** Path of the namespace. */
  readonly netns: string
  /** The device of a machine, by its number. */
  tap(number: number): string
  /** The machine's cable: in or out. */
  setLink(number: number, up: boolean): Promise<void>
}

/** For machines 1 to `count`. @throws Error with the words of `ip`. */
export async function createSwitch(labId: string, count: number): Promise<Switch> {
  const name = netnsName(labId, inner)
  const tap = (number: number) => `tap${number}`
  await batch(undefined, [`netns add ${name}`])
  await batch(name, [
    'link set lo up',
    'link add switch type bridge mcast_snooping 0',
    'link set switch addrgenmode none up',
  ])
  for (let number = 1; number <= count; number++)
    await batch(name, [
      `tuntap add dev ${tap(number)} mode tap`,
      `link set ${tap(number)} master switch addrgenmode none up`,
    ])
  return {
    netns: netnsPath(labId, inner),
    tap,
    async setLink(number, up) {
      await execa('ip', ['-n', name, 'link', 'set', tap(number), up ? 'up' : 'down'])
    },
  }
}

/** On the underlay. */
export const machineAddress = underlayAddress
