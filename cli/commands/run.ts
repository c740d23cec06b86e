/** overlayctl run */
import { Command } from 'commander'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { AgentService, type AttachRequest, type Init } from '../../proto/index.ts'
import { texts } from '../arguments.ts'
import { CallError } from '../connect.ts'
import type { Context, Runner } from '../context.ts'
import { type EndpointOptions, withEndpointOptions } from '../endpoint-options.ts'
import { exitCodeOfSignal } from '../exit.ts'
import { createNamespace } from '../namespace.ts'

interface RunOptions extends EndpointOptions {
  readonly network: readonly string[]
}

export function runCommand(run: Runner): Command {
  const command = new Command('run')
    .summary('run a command on a network')
    .description(
      'Runs a command in a fresh network namespace that is attached to a network, or several, by the agent of this host, and detaches it when the command ends. Nothing runs unless all are attached. With several networks, what concerns one of them follows its name: --network web,ip=10.0.9.7. Signals are passed on to the command; the exit code is its own, or 128+n when signal n ended it.',
    )
    .requiredOption(
      '--network <name>',
      'a network: its name, or the beginning of its uid; what is asked of it may follow, as in web,ip=10.0.9.7,ifname=ov0 (repeatable: eth0, eth1… in this order)',
      texts,
    )
  return withEndpointOptions(command)
    .argument('<command...>', 'the command and its arguments, after --', texts)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl run --network web -- ip address
  overlayctl run --network web --name client -- ping -c 3 10.0.9.2
  overlayctl run --network web --network backend,ip=10.0.10.7 -- sh`,
    )
    .action(run(runInside))
}

async function runInside(context: Context, command: readonly string[], options: RunOptions): Promise<number> {
  const { network: networks, ...beside } = options
  const { runRequests } = await import('../requests/run.ts')
  const requests = runRequests(networks, beside)
  const namespace = await createNamespace()
  const netns = namespace.path
  /** Networks; the last one perhaps: an attach that failed may have been done all the same. */
  const attached: string[] = []
  try {
    for (const request of requests) {
      context.signals.interrupted.throwIfAborted()
      attached.push(request.network)
      const { endpoint } = await attach(context, { ...request, netns }, () => attached.pop())
      // What was asked for may be the beginning of a uid.
      if (endpoint) attached.splice(-1, 1, endpoint.network)
    }
    return await execute(context, netns, command)
  } finally {
    for (const network of attached.toReversed()) await detach(context, { network, netns })
    await namespace.release()
  }
}

async function attach(context: Context, request: Init<AttachRequest>, neverAsked: () => void) {
  try {
    return await context.agent.ask((client, call) => client.service(AgentService).attach(request, call))
  } catch (error) {
    if (error instanceof CallError && error.reached === 'never') neverAsked()
    throw error
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
