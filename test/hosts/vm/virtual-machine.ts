/** A whole machine: Debian's own kernel in qemu, on this host's files, which it only reads. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { environment } from '../../lab/environment.ts'
import type { Command, ExecOptions } from '../../lab/netns.ts'
import { type LabProcess, startProcess } from '../../lab/process.ts'
import { until } from '../../lab/until.ts'
import type { Machine } from '../machine.ts'
import { type CommandPort, openCommandPort } from './command-port.ts'
import type { Image } from './image.ts'
import { fileServerCommand, qemuCommand } from './qemu.ts'
import { machineAddress, type Switch } from './switch.ts'

/** They are called `n1` and so on. */
export interface VirtualMachine extends Machine {
  /** Boots it, and waits until it takes commands. */
  start(): Promise<void>
  /** As by its reset button, after a sync. What is in /var/lib/overlay stays, the rest of its files is as at first. */
  reboot(): Promise<void>
  /** As by its mains plug. */
  powerOff(): Promise<void>
  /** Pulls its network cable, or puts it back. */
  setLink(up: boolean): Promise<void>
}

export interface VirtualMachineSpec {
  /** 1 and so on. */
  readonly number: number
  readonly image: Image
  readonly network: Switch
  /** The lab's. */
  readonly directory: string
  /** MiB. */
  readonly memory: number
}

/** Milliseconds; both take seconds where nothing else runs. */
const bootDeadline = 600_000
const defaultTimeout = 600_000
/** MiB, of /var/lib/overlay; the file has holes. */
const diskSize = 512

/** Makes its disk; `start` boots it. */
export async function createVirtualMachine(spec: VirtualMachineSpec): Promise<VirtualMachine> {
  const { number, image, network, directory, memory } = spec
  const name = `n${number}`
  const address = machineAddress(number)
  const home = join(directory, name)
  const root = join(home, 'root')
  mkdirSync(root, { recursive: true })
  const disk = join(home, 'disk')
  await execa('mkfs.ext4', ['-q', disk, `${diskSize}M`], { env: environment(), extendEnv: false })
  let port: CommandPort | undefined
  let processes: readonly LabProcess[] = []
  let boots = 0

  const background = (what: string, command: readonly string[]) =>
    startProcess({ name: `${what} of ${name}`, command, netns: network.netns, log: join(home, what), directory })
  const start = async () => {
    boots += 1
    const [files, commands] = [join(home, `files-${boots}`), join(home, `commands-${boots}`)]
    const server = await background(`virtiofsd-${boots}.log`, fileServerCommand(root, files))
    processes = [server]
    await until(() => existsSync(files), {
      what: `${name}: files to be served`,
      hopeless: () => server.exit && 'virtiofsd ended',
      detail: () => server.logTail(),
    })
    const console = join(home, `console-${boots}.log`)
    const tap = network.tap(number)
    const hardware = { image, number, name, address, memory, tap, disk, files, commands, console }
    const qemu = await background(`qemu-${boots}.log`, qemuCommand(hardware))
    processes = [server, qemu]
    port = await openCommandPort(commands, name, {
      deadline: bootDeadline,
      hopeless: () => qemu.exit && 'qemu ended',
      detail: () => `${qemu.logTail()}\n${server.logTail()}`,
    })
  }
  const powerOff = async () => {
    port?.close()
    port = undefined
    await Promise.all(processes.filter(({ exit }) => !exit).map((each) => each.kill()))
  }
  const run = (command: Command, options: ExecOptions = {}) => {
    if (!port) throw new Error(`${name} is off`)
    return port.run(shellText(command, options), options.timeout ?? defaultTimeout)
  }
  const exec = async (command: Command, options?: ExecOptions) => {
    const { stdout, stderr, exitCode } = await run(command, options)
    if (exitCode === 0) return stdout
    throw new Error(`in ${name}: \`${[command].flat().join(' ')}\` ended with ${exitCode}: ${stderr || stdout}`)
  }
  return {
    name,
    address,
    start,
    powerOff,
    async reboot() {
      await exec('sync')
      await powerOff()
      await start()
    },
    setLink: (up) => network.setLink(number, up),
    try: async (command, options) => run(command, options),
    exec,
  }
}

/** For the machine's shell. */
function shellText(command: Command, { env = {}, input }: ExecOptions): string {
  const words = typeof command === 'string' ? ['sh', '-c', command] : command
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const line = ['env', ...assignments, ...words].map(quoted).join(' ')
  return input === undefined ? line : `printf %s ${quoted(input)} | ${line}`
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
