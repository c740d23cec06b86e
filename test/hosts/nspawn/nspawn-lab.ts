/**
 * Hosts with an init of their own on one machine, in containers of
 * systemd-nspawn on an underlay of their own. Kept in the same records as the
 * labs of namespaces: whoever makes a lab later removes what a killed run left.
 */
import { randomBytes } from 'node:crypto'
import { netnsName, netnsPath } from '../../lab/netns-name.ts'
import { createRecord, labDirectory } from '../../lab/record.ts'
import { reap, removeLab } from '../../lab/residue.ts'
import { batch, underlayAddress } from '../../lab/underlay.ts'
import { removeCgroups, removeDeadCgroups } from './cgroups.ts'
import { createHost, type NspawnHost } from './host.ts'

export interface NspawnLabOptions {
  /** How many; they are called n1, n2… */
  readonly hosts: number
  /** What the hosts' files are over; the uppermost first. */
  readonly layers: readonly string[]
  /** The program systemd-nspawn. */
  readonly nspawn: string
  /**
   * As VirtualBox gives it to Vagrant: the default route is by an interface
   * `nat0`, whose address is 10.0.2.15 on every host. It leads nowhere here.
   */
  readonly nat?: boolean
  /** All hosts have this machine id, as clones of one image do; default: each its own, made at first boot. */
  readonly machineId?: string
}

export interface NspawnLab extends AsyncDisposable {
  readonly id: string
  readonly directory: string
  readonly hosts: readonly NspawnHost[]
  /** 1 is the first. @throws Error when there is no such host. */
  host(which: number): NspawnHost
  /** Ends everything and leaves nothing. May be repeated. */
  down(): Promise<void>
}

/** Makes and boots the hosts. @throws Error, and then leaves nothing. */
export async function createNspawnLab(options: NspawnLabOptions): Promise<NspawnLab> {
  const { hosts: count, layers, nspawn, nat = false, machineId } = options
  reap()
  removeDeadCgroups(labDirectory)
  const id = randomBytes(3).toString('hex')
  const directory = createRecord(id, { keep: false })
  const remove = () => {
    removeLab(id)
    removeCgroups(id)
  }
  process.on('exit', remove)
  const down = async () => {
    process.off('exit', remove)
    remove()
  }
  try {
    const underlay = netnsName(id, 'underlay')
    await batch(undefined, [`netns add ${underlay}`])
    await batch(underlay, [
      'link set lo up',
      'link add switch type bridge mcast_snooping 0',
      'link set switch addrgenmode none up',
    ])
    const numbers = Array.from({ length: count }, (_, n) => n + 1)
    const hosts = numbers.map((number) =>
      createHost({
        labId: id,
        directory,
        name: `n${number}`,
        address: underlayAddress(number),
        nspawn,
        layers,
        underlay: netnsPath(id, 'underlay'),
        nat,
      }),
    )
    for (const host of hosts) configure(host, hosts, { nat, machineId })
    await Promise.all(hosts.map((host) => host.start()))
    return {
      id,
      directory,
      hosts,
      host(which) {
        const host = hosts[which - 1]
        if (!host) throw new Error(`the lab has no host ${which}`)
        return host
      },
      down,
      [Symbol.asyncDispose]: down,
    }
  } catch (error) {
    await down()
    throw error
  }
}

interface Configuration {
  readonly nat: boolean
  readonly machineId: string | undefined
}

/** What an administrator has set on a host before anything of ours comes. */
function configure(host: NspawnHost, all: readonly NspawnHost[], { nat, machineId }: Configuration): void {
  host.write('/etc/hostname', `${host.name}\n`)
  host.write('/etc/hosts', ['127.0.0.1 localhost', ...all.map((one) => `${one.address} ${one.name}`), ''].join('\n'))
  if (machineId !== undefined) host.write('/etc/machine-id', `${machineId}\n`)
  host.write('/etc/systemd/network/10-underlay.network', network('host0', `${host.address}/24`))
  if (nat) host.write('/etc/systemd/network/10-nat.network', network('nat0', '10.0.2.15/24', 'Gateway=10.0.2.2\n'))
}

function network(device: string, address: string, more = ''): string {
  return `[Match]\nName=${device}\n\n[Network]\nAddress=${address}\n${more}LinkLocalAddressing=no\nIPv6AcceptRA=no\n`
}
