/** overlayctl as a function: arguments in, exit code out. */
import { Command, CommanderError } from 'commander'
import { UsageError } from '../lib/errors.ts'
import { version } from '../lib/version.ts'
import { refuseRepeated } from './arguments.ts'
import { keepIdentity } from './cluster/renew.ts'
import { applyCommand } from './commands/apply.ts'
import { attachCommand, detachCommand } from './commands/attach.ts'
import { clusterCommand } from './commands/cluster/index.ts'
import { completeCommand, completionCommand } from './commands/completion.ts'
import { createCommand } from './commands/create.ts'
import { diffCommand } from './commands/diff.ts'
import { endpointCommand } from './commands/endpoint.ts'
import { eventsCommand } from './commands/events.ts'
import { ipamCommand } from './commands/ipam.ts'
import { lsCommand } from './commands/ls.ts'
import { inspectCommand, pruneCommand, rmCommand } from './commands/networks.ts'
import { nodeCommand } from './commands/node.ts'
import { planCommand } from './commands/plan.ts'
import { runCommand } from './commands/run.ts'
import { statusCommand } from './commands/status.ts'
import { updateCommand } from './commands/update.ts'
import { verifyCommand } from './commands/verify.ts'
import { findConfig } from './config-files.ts'
import { connectAgent, connectTo } from './connect.ts'
import type { Context, Runner, Surroundings } from './context.ts'
import { connectControllers } from './controllers.ts'
import { errorText, exitCode, exitCodeOf, exitCodeOfSignal } from './exit.ts'
import { addGlobalOptions, type Globals, readGlobals } from './globals.ts'

/** The commands as `overlayctl --help` shows them. To add one: write it in commands/, name it here. */
const groups: { readonly [heading: string]: readonly ((run: Runner) => Command)[] } = {
  'Networks:': [
    createCommand,
    updateCommand,
    lsCommand,
    inspectCommand,
    rmCommand,
    pruneCommand,
    applyCommand,
    diffCommand,
  ],
  'Endpoints:': [attachCommand, detachCommand, endpointCommand, runCommand],
  'Addresses:': [ipamCommand],
  'Cluster:': [clusterCommand, nodeCommand, statusCommand, verifyCommand, planCommand, eventsCommand],
  'This program:': [completionCommand],
}

/** Runs overlayctl with the arguments after its name. Never throws; gives the exit code. */
export async function runCli(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { signals, stderr, env } = surroundings
  const program = new Command('overlayctl')
  let code: number = exitCode.done
  let verbose = false
  const run: Runner =
    (action) =>
    async (...args) => {
      const globals = readGlobals(program.opts(), env, await findConfig(surroundings.host, env))
      verbose = globals.verbose
      code = await withContext(globals, surroundings, (context) => action(context, ...args))
    }
  build(program, run, surroundings)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (thrown) {
    if (signals.interrupted.aborted) return exitCodeOfSignal(String(signals.interrupted.reason))
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCode.done
    if (thrown instanceof CommanderError && thrown.code === 'commander.help') return exitCode.wrongUsage
    const error = thrown instanceof CommanderError ? usageError(thrown, program, argv) : thrown
    stderr.write(errorText(error, verbose))
    return exitCodeOf(error)
  }
}

/** The tree of commands, to be looked at: what of it is run does nothing. */
export function commandTree(): Command {
  const program = new Command('overlayctl')
  const nowhere = { write: () => true }
  build(program, () => async () => undefined, { stdout: nowhere, stderr: nowhere })
  return program
}

function build(program: Command, run: Runner, { stdout, stderr }: Pick<Surroundings, 'stdout' | 'stderr'>): void {
  program
    .description(
      'Makes and inspects overlay networks and attaches workloads to them. Networks, nodes and what is on other hosts it asks of a controller; attaching on this host, of the local agent.',
    )
    .version(version, '--version', 'print the version')
  addGlobalOptions(program)
  for (const [heading, commands] of Object.entries(groups))
    for (const command of commands) program.addCommand(command(run).helpGroup(heading))
  program.addCommand(completeCommand(run), { hidden: true })
  program.addHelpText(
    'after',
    `
Examples:
  overlayctl cluster init
  overlayctl create --subnet 10.0.9.0/24 web
  overlayctl attach web --netns c1
  overlayctl status

Every global option may stand before or after the command, or be set by the
environment variable in brackets. Else it is taken from
~/.config/overlay/overlayctl.yaml, /etc/overlay/overlayctl.yaml, and what this
host's agent knows (controller, tlsCert, tlsKey, tlsCa). Exit codes: 0 done, 1 refused or failed,
2 wrong usage. See "overlayctl COMMAND --help".`,
  )
  const settle = (command: Command) => {
    command
      .exitOverride()
      .helpCommand(false)
      .configureOutput({
        writeOut: (text) => void stdout.write(text),
        writeErr: (text) => void stderr.write(text),
        outputError: () => undefined,
      })
      .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    command.options.forEach(refuseRepeated)
    command.commands.forEach(settle)
  }
  settle(program)
}

/** Connects when the action first asks, and hangs up after it. */
async function withContext(
  globals: Globals,
  surroundings: Surroundings,
  act: (context: Context) => Promise<number>,
): Promise<number> {
  const { stderr, signals } = surroundings
  const heard = { isAnswered: false, authorities: '' }
  const controller = connectControllers(globals, signals.interrupted, (address) =>
    connectTo(address, globals, signals.interrupted, heard),
  )
  const agent = connectAgent(globals, signals.interrupted)
  let reported = false
  const context: Context = {
    ...surroundings,
    globals,
    controller,
    agent,
    heard,
    note: (line) => void stderr.write(`${line}\n`),
    report: (error) => {
      reported = true
      stderr.write(errorText(error, globals.verbose))
    },
  }
  try {
    const code = await act(context)
    await keepIdentity(context)
    return code === exitCode.done && reported ? exitCode.failed : code
  } finally {
    controller.close()
    agent.close()
  }
}

/** commander's own complaint in our words: `--mtu: "x" is … (see overlayctl create --help)`. */
function usageError(error: CommanderError, program: Command, argv: readonly string[]): UsageError {
  const message = error.message
    .replace(/^error: /, '')
    .replace(/^option '(?:-\w, )?(--[\w-]+)[^']*' argument '[^]*?' is invalid\. /, '$1: ')
    .replace(/^command-argument value '[^]*?' is invalid for argument '([^']*)'\. /, '$1: ')
    .replace(/\n\((.*)\)$/, ': $1')
    .replace(/^unknown option '(?:-d|--driver\b)[^]*/, '$&: all networks are overlays: leave --driver out')
  return new UsageError(`${message} (see "${commandPath(program, argv)} --help")`)
}

function commandPath(program: Command, argv: readonly string[]): string {
  let path = program.name()
  let command: Command | undefined = program
  for (const arg of argv) {
    const next: Command | undefined = command.commands.find((candidate) => candidate.name() === arg)
    if (!next) continue
    command = next
    path += ` ${next.name()}`
  }
  return path
}
