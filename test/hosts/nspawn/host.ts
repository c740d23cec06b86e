/** One host of this tier: booted, cut off from power, rebooted. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command, ExecOptions } from '../../lab/netns.ts'
import { netnsName } from '../../lab/netns-name.ts'
import { type LabProcess, startProcess } from '../../lab/process.ts'
import { identityOf, isAlive, type ProcessIdentity, signal } from '../../lab/process-identity.ts'
import { recordProcess } from '../../lab/record.ts'
import { batch } from '../../lab/underlay.ts'
import { until } from '../../lab/until.ts'
import type { Machine } from '../machine.ts'
import { inside, runInside } from './inside.ts'

export interface NspawnHost extends Machine {
  /** Of its init, as this machine counts; another one after each boot. @throws Error when it is off. */
  readonly leader: number
  readonly directory: string
  /** Boots, and waits until systemd says that all is up. @throws Error naming the units that failed. */
  start(): Promise<void>
  /** Kills all that runs in it, at once. Its files stay as they were. */
  powerCut(): Promise<void>
  /** As root would: `systemctl reboot`; waits until it is up again. */
  reboot(): Promise<void>
  /** A file of this machine goes into the host; its directory is made. */
  copyIn(file: string, to: string): void
  write(to: string, text: string): void
  /** Runs a command in the background, until it is stopped or the host ends. */
  spawn(name: string, command: Command): Promise<LabProcess>
}

export interface NspawnHostSpec {
  readonly labId: string
  /** The lab's. */
  readonly directory: string
  readonly name: string
  readonly address: string
  /** The program systemd-nspawn. */
  readonly nspawn: string
  /** Directories, the uppermost first. */
  readonly layers: readonly string[]
  /** Path of the namespace with the bridge. */
  readonly underlay: string
  /** It has a second interface, `nat0`. */
  readonly nat: boolean
}

const bootScript = join(import.meta.dirname, 'boot.sh')
/** What systemd-nspawn ends with when the host wants to be booted again (systemd-nspawn(1), --keep-unit). */
const wantsReboot = 133

export function createHost(spec: NspawnHostSpec): NspawnHost {
  const { labId, directory, name, address, nspawn, layers, underlay } = spec
  const home = join(directory, name)
  mkdirSync(join(home, 'files'), { recursive: true })
  let run: LabProcess | undefined
  let leader: ProcessIdentity | undefined

  const powered = () => {
    if (leader && isAlive(leader)) return leader.pid
    throw new Error(`${name} is off`)
  }
  const detail = () => `${run?.log}:\n${run?.logTail()}`
  const start = async () => {
    // Two letters for either interface of a host, and at most 15 in all.
    const nat = spec.nat ? [`--network-veth-extra=vn-${name}:nat0`] : []
    const cgroup = `overlay-lab-${labId}/${name}`
    const options = [nspawn, `${labId}-${name}`, name, home, layers.join(':'), cgroup, ...nat]
    run = await startProcess({
      name,
      command: ['unshare', '--mount', '--propagation', 'private', 'sh', bootScript, ...options],
      netns: underlay,
      log: join(directory, `${name}-console.log`),
      directory,
    })
    const started = run
    const hopeless = () => started.exit && `systemd-nspawn ended with ${started.exit.code ?? started.exit.signal}`
    leader = identityOf(await until(() => initBelow(started.pid), { what: `${name}: to boot`, hopeless, detail }))
    recordProcess(directory, leader)
    // The far end of the interface that leads nowhere: else it has no carrier.
    if (spec.nat) await batch(netnsName(labId, 'underlay'), [`link set vn-${name} up`])
    await untilUp(name, leader.pid)
  }
  const untilOff = async (deadline: number) => {
    const exit = await until(() => run?.exit, { what: `${name}: to be off`, deadline, detail })
    leader = undefined
    return exit
  }
  const host: NspawnHost = {
    name,
    address,
    directory: home,
    get leader() {
      return powered()
    },
    start,
    async powerCut() {
      if (leader) signal(leader, 'SIGKILL')
      await untilOff(10_000)
    },
    async reboot() {
      await runInside(powered(), 'systemctl reboot')
      const { code } = await untilOff(60_000)
      if (code !== wantsReboot) throw new Error(`${name} was to reboot, and ended with ${code}\n${detail()}`)
      await start()
    },
    async try(command, options) {
      return runInside(powered(), command, options)
    },
    async exec(command: Command, options?: ExecOptions) {
      const { stdout, stderr, exitCode } = await runInside(powered(), command, options)
      if (exitCode === 0) return stdout
      const text = typeof command === 'string' ? command : command.join(' ')
      throw new Error(`on ${name}: \`${text}\` ended with ${exitCode}: ${stderr || stdout}`)
    },
    copyIn(file, to) {
      const target = pathIn(to)
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(file, target)
    },
    write(to, text) {
      const target = pathIn(to)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, text)
    },
    spawn: (what, command) =>
      startProcess({
        name: `${what} on ${name}`,
        command: inside(powered(), command),
        netns: underlay,
        log: join(directory, `${name}-${what.replaceAll(/\W+/g, '-')}.log`),
        directory,
      }),
  }
  /** Through its mounts while it runs; before, into the uppermost layer. */
  const pathIn = (path: string) =>
    leader && isAlive(leader) ? join(`/proc/${leader.pid}/root`, path) : join(home, 'files', path)
  return host
}

/** The init that a systemd-nspawn has started, once it is one. */
function initBelow(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  return children.find((child) => existsSync(`/proc/${child}/root/run/systemd/private`))
}

async function untilUp(name: string, leader: number): Promise<void> {
  const state = await until(
    async () => {
      const { stdout } = await runInside(leader, 'systemctl is-system-running --wait', { timeout: 120_000 })
      return stdout === 'running' || stdout === 'degraded' ? stdout : undefined
    },
    { what: `${name}: systemd to be up`, deadline: 120_000, every: 50 },
  )
  if (state === 'running') return
  const { stdout } = await runInside(
    leader,
    'systemctl --failed --no-legend; journalctl --boot --priority 4 --lines 40',
  )
  throw new Error(`${name} came up with failed units:\n${stdout}`)
}
