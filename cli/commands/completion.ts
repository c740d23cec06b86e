/** overlayctl completion, and the hidden `__complete` that the shells' scripts ask. */
import { Argument, Command } from 'commander'
import { EndpointsService, NetworksService, NodesService, SecurityService, TokensService } from '../../proto/index.ts'
import { parseChoice } from '../arguments.ts'
import type { Candidate, Named } from '../completion/candidates.ts'
import { type Shell, shells } from '../completion/scripts.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'

/** Milliseconds that a person waits for names after the Tab key. */
const patience = 1_000

export function completionCommand(run: Runner): Command {
  return new Command('completion')
    .summary('completion of commands for a shell')
    .description(
      'Prints the script that has a shell complete commands, options and the names of networks, nodes and endpoints. The package brings them along.',
    )
    .addArgument(new Argument('<shell>', shells.join(', ')).argParser(parseChoice(shells)))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl completion bash > /etc/bash_completion.d/overlayctl
  overlayctl completion fish | source`,
    )
    .action(run(completion))
}

/** Prints what may come next, a line each, with what it is after a tab. Says nothing of failures: a person is typing. */
export function completeCommand(run: Runner): Command {
  const command = new Command('__complete').argument('[word...]')
  const complete = async (context: Context, words: readonly string[]): Promise<number> => {
    const { completionOf } = await import('../completion/candidates.ts')
    const { filesLine } = await import('../completion/scripts.ts')
    const found = completionOf(command.parent ?? command, words)
    switch (found.kind) {
      case 'words':
        print(context, found.words)
        break
      case 'names': {
        const names = await namesOf(context, found.of).catch(() => [])
        const typed = words.at(-1) ?? ''
        print(
          context,
          names
            .map(({ text, description }) => ({ text: found.prefix + text, description }))
            .filter(({ text }) => text.startsWith(typed)),
        )
        break
      }
      case 'files':
        context.stdout.write(`${filesLine}\n`)
        break
      case 'nothing':
    }
    return exitCode.done
  }
  return command.action(run(complete))
}

async function completion({ stdout }: Context, shell: Shell): Promise<number> {
  const { scripts } = await import('../completion/scripts.ts')
  stdout.write(scripts[shell])
  return exitCode.done
}

function print({ stdout }: Context, candidates: readonly Candidate[]): void {
  stdout.write(
    candidates.map(({ text, description }) => `${description ? `${text}\t${description}` : text}\n`).join(''),
  )
}

/** The first page is enough: nobody reads a longer list. */
async function namesOf({ controller }: Context, what: Named): Promise<readonly Candidate[]> {
  const named = (text: string, description = ''): Candidate => ({ text, description })
  return controller.ask(
    async (client, call) => {
      switch (what) {
        case 'networks': {
          const { networks } = await client.service(NetworksService).list({}, call)
          return networks.map(({ name, subnets }) => named(name, subnets.map(({ cidr }) => cidr).join(', ')))
        }
        case 'nodes': {
          const { nodes } = await client.service(NodesService).list({}, call)
          return nodes.map(({ name, vtepAddress }) => named(name, vtepAddress))
        }
        case 'endpoints': {
          const { endpoints } = await client.service(EndpointsService).list({}, call)
          return endpoints.map(({ id, name, network }) => named(name || id.slice(0, 12), network))
        }
        case 'tokens': {
          const { tokens } = await client.service(TokensService).list({}, call)
          return tokens.map(({ id, description }) => named(id, description))
        }
        case 'identities': {
          const { identities } = await client.service(SecurityService).get({}, call)
          return identities.map(({ role, name, id }) => named(`${role}/${name}`, id))
        }
      }
    },
    { timeout: patience },
  )
}
