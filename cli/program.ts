/** overlayctl as a function: arguments in, exit code out. */
import { Command, CommanderError } from 'commander'
import { UsageError } from '../lib/errors.ts'
import { version } from '../lib/version.ts'
import { refuseRepeated } from './arguments.ts'
import { applyCommand } from './commands/apply.ts'
import { attachCommand, detachCommand } from './commands/attach.ts'
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
import { connectAgent } from './connect.ts'
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
  'Cluster:': [nodeCommand, statusCommand, verifyCommand, planCommand, eventsCommand],
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
      const globals = readGlobals(program.opts(), env)
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

function build(program: Command, run: Runner, { stdout, stderr }: Surroundings): void {
  program
    .description(
      'Makes and inspects overlay networks and attaches workloads to them. Networks, nodes and what is on other hosts it asks of a controller; attaching on this host, of the local agent.',
    )
    .version(version, '--version', 'print the version')
  addGlobalOptions(program)
  for (const [heading, commands] of Object.entries(groups))
    for (const command of commands) program.addCommand(command(run).helpGroup(heading))
  program.addHelpText(
    'after',
    `
Examples:
  overlayctl create --subnet 10.0.9.0/24 web
  overlayctl attach web --netns c1
  overlayctl status

Every global option may stand before or after the command, or be set by the
environment variable in brackets. Exit codes: 0 done, 1 refused or failed,
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
  const controller = connectControllers(globals, signals.interrupted)
  const agent = connectAgent(globals, signals.interrupted)
  let reported = false
  const context: Context = {
    ...surroundings,
    globals,
    controller,
    agent,
    note: (line) => void stderr.write(`${line}\n`),
    report: (error) => {
      reported = true
      stderr.write(errorText(error, globals.verbose))
    },
  }
  try {
    const code = await act(context)
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
