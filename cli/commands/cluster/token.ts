/** overlayctl cluster token create, ls, rm */
import { Command } from 'commander'
import { UsageError } from '../../../lib/errors.ts'
import { CreateTokenResponse, type Token, TokensService } from '../../../proto/index.ts'
import { parseChoice, parseText, repeatable } from '../../arguments.ts'
import type { Context, Runner } from '../../context.ts'
import { forEachName } from '../../each.ts'
import { exitCode } from '../../exit.ts'
import { printData, printList } from '../../output.ts'
import { timeText } from '../../views/security.ts'
import { tokenView } from '../../views/token.ts'
import { parseDuration, parseWhole } from './options.ts'

const roles = ['node', 'admin', 'viewer'] as const

interface CreateOptions {
  readonly role: (typeof roles)[number]
  readonly controlPlane?: boolean
  readonly ttl?: number
  readonly uses?: number
  readonly description?: string
}

export function tokenCommand(run: Runner): Command {
  const rm = new Command('rm')
    .summary('make tokens worthless')
    .description(
      'Removes tokens: who has not used one yet cannot any more. Who has, stays. Goes on past those that fail; the exit code is 1 then.',
    )
    .argument('<token...>', 'ids of tokens, or whole tokens', repeatable(parseText))
    .addHelpText('after', '\nExamples:\n  overlayctl cluster token rm 5f0c2a9b')
    .action(run(remove))
  const ls = new Command('ls')
    .summary('list tokens')
    .description('Lists the tokens that may still be used; what is secret of them, nobody keeps.')
    .addHelpText('after', '\nExamples:\n  overlayctl cluster token ls')
    .action(run(list))
  return new Command('token')
    .summary('tokens that let hosts and people in')
    .description('Tokens: who has one may join the cluster, so many times, until then.')
    .addCommand(createCommand(run))
    .addCommand(ls)
    .addCommand(rm)
    .addHelpText(
      'after',
      '\nExamples:\n  overlayctl cluster token create --uses 5\n  overlayctl cluster token create --role admin',
    )
}

function createCommand(run: Runner): Command {
  return new Command('create')
    .summary('make a token')
    .description('Makes a token and prints the line to use it with. The token is shown this once.')
    .option('--role <role>', `whom it lets in: ${roles.join(', ')} (default: node)`, parseChoice(roles), 'node')
    .option('--control-plane', 'the host may become part of the control plane, and gets its secrets')
    .option('--ttl <time>', 'how long it is good, for example 30m, 1h or 7d (default: 1h)', parseDuration)
    .option('--uses <number>', 'how often it may be used (default: once)', parseWhole(1, 1_000))
    .option('--description <text>', 'why it was made, for the lists', parseText)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl cluster token create --uses 5 --ttl 1d --description "rack 7"
  overlayctl cluster token create --control-plane
  overlayctl cluster token create --role viewer`,
    )
    .action(run(create))
}

async function create(context: Context, { role, controlPlane = false, ttl, uses, description }: CreateOptions) {
  if (controlPlane && role !== 'node') throw new UsageError('--control-plane is for hosts: leave --role out')
  const created = await context.controller.ask((client, call) =>
    client.service(TokensService).create({ role, controlPlane, ttl, uses, description }, call),
  )
  const { output } = context.globals
  if (output === 'json' || output === 'yaml') await printData(context, CreateTokenResponse.toJson(created))
  else if (output === 'name') context.stdout.write(`${created.token}\n`)
  else context.stdout.write(forPeople(created, role, controlPlane))
  return exitCode.done
}

function forPeople({ token, record, controllers }: CreateTokenResponse, role: string, controlPlane: boolean): string {
  const where = controllers.join(',')
  const line =
    role === 'node'
      ? `overlayctl cluster join ${where} --token ${token}${controlPlane ? ' --control-plane' : ''}`
      : `overlayctl cluster login ${where} --token ${token}`
  const uses = record?.usesLeft === 1 ? 'once' : `${record?.usesLeft ?? 0} times`
  return `  ${line}\n\nGood ${uses}, until ${timeText(record?.expiresAt ?? '')}.\n`
}

async function list(context: Context): Promise<number> {
  const { tokens } = await context.controller.ask((client, call) => client.service(TokensService).list({}, call))
  await printList(context, tokenView, tokens)
  return exitCode.done
}

async function remove(context: Context, tokens: readonly string[]): Promise<number> {
  const removed: Token[] = await forEachName(context, tokens, (token) =>
    context.controller.ask((client, call) => client.service(TokensService).remove({ token }, call)),
  )
  const { output } = context.globals
  if (output === 'table' || output === 'wide')
    for (const { id } of removed) context.stdout.write(`removed token ${id}\n`)
  else await printList(context, tokenView, removed)
  return exitCode.done
}
