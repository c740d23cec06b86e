/** A network namespace of the lab: somewhere to run commands in. */
import { join } from 'node:path'
import { execa } from 'execa'
import { environment } from './environment.ts'
import { netnsName, netnsPath } from './netns-name.ts'
import { type LabProcess, startProcess } from './process.ts'

export interface Output {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface ExecOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Milliseconds; default 60,000. */
  readonly timeout?: number
}

/** Text goes to the shell, a list is a program and its arguments. */
export type Command = string | readonly string[]

export interface Netns {
  /** Short: `h1`, `ctl`, or a sandbox's name. */
  readonly name: string
  /** As iproute2 takes it, for example `ovl1f00ba-h1`. */
  readonly netns: string
  /** For example /run/netns/ovl1f00ba-h1. */
  readonly path: string
  /**
   * Runs a command in the namespace and gives its standard output.
   * @throws Error with its standard error when it fails.
   */
  exec(command: Command, options?: ExecOptions): Promise<string>
  /** The same, but a failure is an answer too. */
  try(command: Command, options?: ExecOptions): Promise<Output>
  /** Runs a command in the background. */
  spawn(name: string, command: Command, options?: Pick<ExecOptions, 'env'>): Promise<LabProcess>
}

/** A lab's namespace; `directory` is the lab's, `inner` the namespace's name within the lab. */
export function netnsAt(labId: string, directory: string, name: string, inner = name): Netns {
  return netnsOf({ name, netns: netnsName(labId, inner), path: netnsPath(labId, inner), directory, log: inner })
}

/** Any namespace that has a path; `directory` is the lab's, and `log` begins the names of its files in there. */
export function netnsOf(spec: Pick<Netns, 'name' | 'netns' | 'path'> & { directory: string; log: string }): Netns {
  const { name, netns, path, directory } = spec
  const run = async (command: Command, { env, input, timeout = 60_000 }: ExecOptions = {}) => {
    const result = await execa('nsenter', [`--net=${path}`, '--', ...argumentsOf(command)], {
      env: environment(env),
      extendEnv: false,
      reject: false,
      timeout,
      stripFinalNewline: true,
      ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    })
    const { stdout, stderr, exitCode } = result
    if (exitCode === undefined) throw new Error(`in ${name}: ${result.message ?? 'ended by a signal'}`)
    return { stdout, stderr, exitCode }
  }
  return {
    name,
    netns,
    path,
    try: run,
    async exec(command, options) {
      const { stdout, stderr, exitCode } = await run(command, options)
      if (exitCode === 0) return stdout
      const text = typeof command === 'string' ? command : command.join(' ')
      throw new Error(`in ${name}: \`${text}\` ended with ${exitCode}: ${stderr || stdout}`)
    },
    spawn: (what, command, { env = {} } = {}) =>
      startProcess({
        name: `${what} in ${name}`,
        command: argumentsOf(command),
        netns: path,
        log: join(directory, `${spec.log}-${what.replaceAll(/\W+/g, '-')}.log`),
        directory,
        env,
      }),
  }
}

function argumentsOf(command: Command): readonly string[] {
  return typeof command === 'string' ? ['sh', '-c', command] : command
}
