/** Commands inside of a host. */
import { execa } from 'execa'
import type { Command, ExecOptions, Output } from '../../lab/netns.ts'

/** What a root's login on Debian has. */
const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
}

/** Puts a command into all namespaces of the process, and into its root directory. */
export function inside(pid: number, command: Command): readonly string[] {
  const words = typeof command === 'string' ? ['sh', '-c', command] : command
  return ['nsenter', '--target', String(pid), '--all', '--root', '--wd', '--', ...words]
}

/** Runs a command in there; a failure is an answer too. @throws Error when it has no exit code, for want of time. */
export async function runInside(pid: number, command: Command, options: ExecOptions = {}): Promise<Output> {
  const { env, input, timeout = 60_000 } = options
  const [program = '', ...args] = inside(pid, command)
  const result = await execa(program, args, {
    env: { ...environment, ...env },
    extendEnv: false,
    reject: false,
    timeout,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
  })
  const { stdout, stderr, exitCode } = result
  if (exitCode === undefined) throw new Error(result.message ?? 'ended by a signal')
  return { stdout, stderr, exitCode }
}
