/** overlayctl run */
import { Command } from 'commander'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { AgentService } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import { CallError } from '../connect.ts'
import type { Context, Runner } from '../context.ts'
import { exitCodeOfSignal } from '../exit.ts'
import { createNamespace } from '../namespace.ts'
import { oneOfEachFamily } from './attach.ts'

interface RunOptions {
  readonly network: string
  readonly name?: string
  readonly ip?: readonly string[]
  readonly ifname?: string
}

export function runCommand(run: Runner): Command {
  return new Command('run')
    .summary('run a command on a network')
    .description(
      'Runs a command in a fresh network namespace that is attached to a network by the agent of this host, and detaches it when the command ends. Signals are passed on to the command; the exit code is its own, or 128+n when signal n ended it.',
    )
    .requiredOption('--network <name>', 'the network', parseText)
    .option('--name <name>', "the endpoint's name, unique in the network", parseText)
    .option('--ip <address>', 'an address to have, one of each family (repeatable)', oneOfEachFamily)
    .option('--ifname <name>', "the interface's name inside (default: eth0)", parseText)
    .argument(
      '<command...>',
      'the command and its arguments, after --',
      repeatable((text) => text),
    )
    .addHelpText(
      'after',
      `
Examples:
  overlayctl run --network web -- ip address
  overlayctl run --network web --name client -- ping -c 3 10.0.9.2
  overlayctl run --network web -- sh`,
    )
    .action(run(runInside))
}

async function runInside(context: Context, command: readonly string[], options: RunOptions): Promise<number> {
  const namespace = await createNamespace()
  const sandbox = { network: options.network, netns: namespace.path }
  /** Or perhaps: an attach that failed may have been done all the same. */
  let attached = false
  try {
    context.signals.interrupted.throwIfAborted()
    const request = { ...sandbox, ifname: options.ifname ?? '', name: options.name ?? '', addresses: options.ip ?? [] }
    attached = true
    await context.agent.ask((client, call) => client.service(AgentService).attach(request, call))
    return await execute(context, namespace.path, command)
  } catch (error) {
    if (error instanceof CallError && error.reached === 'never') attached = false
    throw error
  } finally {
    if (attached) await detach(context, sandbox)
    await namespace.release()
  }
}

/** Not given up on Ctrl-C; what it leaves is told as a warning. */
async function detach(context: Context, sandbox: { network: string; netns: string }): Promise<void> {
  const { signal } = new AbortController()
  try {
    const { warning } = await context.agent.ask((client, call) => client.service(AgentService).detach(sandbox, call), {
      signal,
    })
    if (warning) context.note(`warning: ${warning}`)
  } catch (error) {
    if (hasCode(error, 'not_found')) return
    context.note(`warning: the endpoint on ${sandbox.network} was not detached: ${OverlayError.from(error).message}`)
  }
}

/** Runs the command with our own standard streams; gives the exit code as a shell would. */
async function execute(context: Context, netns: string, command: readonly string[]): Promise<number> {
  const { execa } = await import('execa')
  // Not `ip netns exec`: that mounts another /sys.
  const child = execa('nsenter', [`--net=${netns}`, '--', ...command], {
    stdio: 'inherit',
    reject: false,
    forceKillAfterDelay: false,
  })
  const restore = context.signals.redirect((signal) => {
    // At a terminal the command, in our process group, has got these already.
    if (context.ask && (signal === 'SIGINT' || signal === 'SIGQUIT')) return
    child.kill(signal)
  })
  try {
    const { exitCode, signal, originalMessage } = await child
    if (signal !== undefined) return exitCodeOfSignal(signal)
    if (exitCode !== undefined) return exitCode
    throw new OverlayError(
      'failed_precondition',
      `cannot run nsenter (of util-linux): ${originalMessage ?? 'no reason given'}`,
    )
  } finally {
    restore()
  }
}
