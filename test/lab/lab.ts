/**
 * A cluster on one machine: hosts as network namespaces on an underlay of
 * their own, with real etcd, controllers and agents. Labs run side by side; the
 * machine's own network is not touched. Used by demo, tests and bench alike.
 */
import { randomBytes } from 'node:crypto'
import { type Controller, createController } from './controller.ts'
import { createEtcd, type Etcd } from './etcd.ts'
import { setForwarding } from './firewall.ts'
import { createHost, type Host } from './host.ts'
import { type Netns, netnsAt } from './netns.ts'
import { type Overlayctl, overlayctlIn } from './overlayctl.ts'
import { createRecord } from './record.ts'
import { reap, removeLab } from './residue.ts'
import { createSandbox, createSandboxes, type Sandbox } from './sandbox.ts'
import { buildUnderlay, underlayAddress, underlayAddress6 } from './underlay.ts'

export interface LabOptions {
  /** Fixed, for a lab that is known by its name; default: a random id. */
  readonly name?: string
  /** How many; they are called h1, h2… */
  readonly hosts: number
  /** Default 1. */
  readonly controllers?: number
  /** Bytes; default 1500. */
  readonly underlayMtu?: number
  /** VTEPs have IPv6 addresses. */
  readonly ipv6Underlay?: boolean
  /** Members of the etcd cluster; default 1. Several have a namespace each, `etcd1` and so on. */
  readonly etcdMembers?: number
  /** Further namespaces on the underlay, at most 4, with nothing in them. */
  readonly others?: readonly string[]
  /** The lab outlives this process: end it with `removeLab(name)`. */
  readonly keep?: boolean
}

export interface Lab extends Overlayctl, AsyncDisposable {
  readonly id: string
  readonly directory: string
  readonly hosts: readonly Host[]
  /** The namespace of the first controller, and of etcd where it has one member. */
  readonly ctl: Netns
  /** The first member. */
  readonly etcd: Etcd
  readonly etcdMembers: readonly Etcd[]
  /** Each in a namespace of its own: `ctl`, `ctl2` and so on. */
  readonly controllers: readonly Controller[]
  /** The namespaces on the underlay, by inner name: hosts, ctl, etcd1… */
  readonly members: ReadonlyMap<string, LabMember>
  /** `h1` or 1 is the first. @throws Error when there is no such host. */
  host(which: string | number): Host
  /** Starts etcd, the controllers and all agents, and waits until they are ready. */
  start(): Promise<void>
  sandbox(name: string): Promise<Sandbox>
  /** Many sandboxes, faster than one by one. */
  sandboxes(names: readonly string[]): Promise<readonly Sandbox[]>
  /** Another etcd beside the first, on another port. */
  addEtcd(options: { name: string; port: number }): Etcd
  /** Ends everything and leaves nothing. May be repeated. */
  down(): Promise<void>
}

export interface LabMember {
  readonly netns: Netns
  /** On the underlay; IPv4. */
  readonly address: string
}

/** Of the ctl namespaces on the underlay, downwards; hosts begin with 1. */
const ctlNumber = 254
/** Of the etcd members that have a namespace of their own, downwards. */
const etcdNumber = 244
/** Of the others, downwards. */
const otherNumber = 234
const controllerPort = 4780

/** Makes the hosts and their underlay; the daemons are started by `start` or one by one. */
export async function createLab(options: LabOptions): Promise<Lab> {
  const { name, hosts: count, controllers: controllerCount = 1, underlayMtu = 1500, ipv6Underlay = false } = options
  const { etcdMembers: etcdCount = 1, others: otherNames = [] } = options
  const mostHosts = 230
  if (count < 1 || count > mostHosts) throw new Error(`a lab has 1 to ${mostHosts} hosts, not ${count}`)
  reap()
  const id = name ?? randomBytes(3).toString('hex')
  const directory = createRecord(id, { keep: options.keep ?? false })
  const atExit = () => removeLab(id)
  if (!options.keep) process.on('exit', atExit)
  const down = async () => {
    process.off('exit', atExit)
    removeLab(id)
  }
  try {
    const numbers = range(count).map((n) => n + 1)
    const ctlMembers = range(controllerCount).map((n) => ({
      name: n === 0 ? 'ctl' : `ctl${n + 1}`,
      number: ctlNumber - n,
    }))
    const etcdNames = range(etcdCount > 1 ? etcdCount : 0).map((n) => ({
      name: `etcd${n + 1}`,
      number: etcdNumber - n,
    }))
    const others = otherNames.map((other, n) => ({ name: other, number: otherNumber - n }))
    const members = [
      ...ctlMembers,
      ...etcdNames,
      ...others,
      ...numbers.map((number) => ({ name: `h${number}`, number })),
    ]
    await buildUnderlay({ labId: id, members, mtu: underlayMtu, ipv6: ipv6Underlay })
    const memberOf = new Map(
      members.map((one) => [
        one.name,
        { netns: netnsAt(id, directory, one.name), address: underlayAddress(one.number) },
      ]),
    )

    const ctl = netnsAt(id, directory, 'ctl')
    const ctlAddress = underlayAddress(ctlNumber)
    const cluster = etcdNames.map((one) => ({ name: one.name, address: underlayAddress(one.number) }))
    const etcdMembers =
      cluster.length === 0
        ? [createEtcd({ netns: ctl, directory, address: ctlAddress })]
        : cluster.map((one) => createEtcd({ ...one, netns: netnsAt(id, directory, one.name), directory, cluster }))
    const etcdUrls = etcdMembers.map(({ url }) => url).join()
    const controllers = ctlMembers.map((one, n) =>
      createController({
        netns: netnsAt(id, directory, one.name),
        directory,
        name: `controller-${n + 1}`,
        address: `${underlayAddress(one.number)}:${controllerPort}`,
        etcd: etcdUrls,
      }),
    )
    const controller = controllers[0]?.address ?? ''
    const vtep = ipv6Underlay ? underlayAddress6 : underlayAddress
    const hosts = numbers.map((number) =>
      createHost({
        netns: netnsAt(id, directory, `h${number}`),
        directory,
        address: vtep(number),
        etcd: etcdUrls,
        controller,
      }),
    )
    // A new namespace takes it over from the machine's; a test says what it wants.
    for (const host of hosts) await setForwarding(host, false)
    return {
      id,
      directory,
      hosts,
      ctl,
      etcd: firstOf(etcdMembers),
      etcdMembers,
      controllers,
      members: memberOf,
      ...overlayctlIn(ctl, { OVERLAY_CONTROLLER: controller }),
      host(which) {
        const host = hosts.find(({ name }, index) => name === which || index + 1 === which)
        if (!host) throw new Error(`the lab has no host ${which}`)
        return host
      },
      async start() {
        await Promise.all(etcdMembers.map((each) => each.start()))
        await Promise.all(controllers.map((each) => each.start()))
        await Promise.all(hosts.map(({ agent }) => agent.start()))
      },
      sandbox: (sandboxName) => createSandbox(id, directory, sandboxName),
      sandboxes: (names) => createSandboxes(id, directory, names),
      addEtcd: (which) => createEtcd({ netns: ctl, directory, address: ctlAddress, ...which }),
      down,
      [Symbol.asyncDispose]: down,
    }
  } catch (error) {
    await down()
    throw error
  }
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, n) => n)
}

function firstOf<T>([first]: readonly T[]): T {
  if (first === undefined) throw new Error('there is none')
  return first
}
