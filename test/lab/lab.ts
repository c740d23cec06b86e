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
  /** The lab outlives this process: end it with `removeLab(name)`. */
  readonly keep?: boolean
}

export interface Lab extends Overlayctl, AsyncDisposable {
  readonly id: string
  readonly directory: string
  readonly hosts: readonly Host[]
  /** The namespace of etcd and the controllers. */
  readonly ctl: Netns
  readonly etcd: Etcd
  readonly controllers: readonly Controller[]
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

/** Of the ctl namespace on the underlay; hosts begin with 1. */
const ctlNumber = 254
const controllerPort = 4780

/** Makes the hosts and their underlay; the daemons are started by `start` or one by one. */
export async function createLab(options: LabOptions): Promise<Lab> {
  const { name, hosts: count, controllers: controllerCount = 1, underlayMtu = 1500, ipv6Underlay = false } = options
  if (count < 1 || count >= ctlNumber) throw new Error(`a lab has 1 to ${ctlNumber - 1} hosts, not ${count}`)
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
    const numbers = Array.from({ length: count }, (_, index) => index + 1)
    const members = [{ name: 'ctl', number: ctlNumber }, ...numbers.map((number) => ({ name: `h${number}`, number }))]
    await buildUnderlay({ labId: id, members, mtu: underlayMtu, ipv6: ipv6Underlay })

    const ctl = netnsAt(id, directory, 'ctl')
    const ctlAddress = underlayAddress(ctlNumber)
    const etcd = createEtcd({ netns: ctl, directory, address: ctlAddress })
    const controllerAddresses = Array.from({ length: controllerCount }, (_, n) => `${ctlAddress}:${controllerPort + n}`)
    const controllers = controllerAddresses.map((address, n) =>
      createController({ netns: ctl, directory, name: `controller-${n + 1}`, address, etcd: etcd.url }),
    )
    const controller = controllerAddresses[0] ?? ''
    const vtep = ipv6Underlay ? underlayAddress6 : underlayAddress
    const hosts = numbers.map((number) =>
      createHost({
        netns: netnsAt(id, directory, `h${number}`),
        directory,
        address: vtep(number),
        etcd: etcd.url,
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
      etcd,
      controllers,
      ...overlayctlIn(ctl, { OVERLAY_CONTROLLER: controller }),
      host(which) {
        const host = hosts.find(({ name }, index) => name === which || index + 1 === which)
        if (!host) throw new Error(`the lab has no host ${which}`)
        return host
      },
      async start() {
        await etcd.start()
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
