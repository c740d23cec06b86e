/** overlayctl ls, inspect, rm, prune */
import { Command } from 'commander'
import { OverlayError } from '../../lib/errors.ts'
import { type Network, NetworksService } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { forEachName } from '../each.ts'
import { exitCode } from '../exit.ts'
import { printDetails, printList } from '../output.ts'
import { allPages } from '../pages.ts'
import { networkView } from '../views/network.ts'
import { countText } from '../views/text.ts'

export function lsCommand(run: Runner): Command {
  return new Command('ls')
    .summary('list networks')
    .description('Lists all networks by name. With -o wide also gateways, labels and options.')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl ls
  overlayctl ls -o wide
  overlayctl ls -o json`,
    )
    .action(run(ls))
}

export function inspectCommand(run: Runner): Command {
  return new Command('inspect')
    .summary('show networks in full')
    .description(
      'Shows networks with all their fields and endpoints. As JSON: an object for one name, a list for several. Goes on past names that fail; the exit code is 1 then.',
    )
    .argument('<name...>', 'names of networks', repeatable(parseText))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl inspect web
  overlayctl inspect web -o json`,
    )
    .action(run(inspect))
}

export function rmCommand(run: Runner): Command {
  return new Command('rm')
    .summary('remove networks')
    .description(
      'Removes networks. One that still has endpoints is refused: detach them first. Goes on past names that fail; the exit code is 1 then.',
    )
    .argument('<name...>', 'names of networks', repeatable(parseText))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl rm web
  overlayctl rm web db`,
    )
    .action(run(rm))
}

export function pruneCommand(run: Runner): Command {
  return new Command('prune')
    .summary('remove all networks without endpoints')
    .description(
      'Removes every network that has no endpoints, after asking. Where nobody can be asked (standard input is no terminal) give --yes.',
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl prune
  overlayctl prune --yes`,
    )
    .action(run(prune))
}

async function ls(context: Context): Promise<number> {
  await printList(context, networkView, await listNetworks(context, context.globals.output !== 'name'))
  return exitCode.done
}

function listNetworks({ controller }: Context, withStatus: boolean): Promise<Network[]> {
  return allPages(
    (pageToken) =>
      controller.ask((client, call) => client.service(NetworksService).list({ pageToken, withStatus }, call)),
    (page) => page.networks,
  )
}

async function inspect(context: Context, names: readonly string[]): Promise<number> {
  const found = await forEachName(context, names, (name) =>
    context.controller.ask((client, call) => client.service(NetworksService).get({ name }, call)),
  )
  await printDetails(context, networkView, found, names.length)
  return exitCode.done
}

async function rm(context: Context, names: readonly string[]): Promise<number> {
  const removed = await forEachName(context, names, (name) => removeNetwork(context, name))
  await printRemoved(context, removed)
  return exitCode.done
}

async function prune(context: Context, { yes }: { yes?: boolean }): Promise<number> {
  if (!yes && !context.ask)
    throw new OverlayError(
      'failed_precondition',
      'prune asks before it removes, and standard input is no terminal: give --yes to remove without a question',
    )
  const unused = (await listNetworks(context, true)).filter((network) => network.status?.endpointCount === 0)
  if (unused.length === 0) {
    context.note('nothing to prune: every network has endpoints')
    if (context.globals.output === 'json' || context.globals.output === 'yaml') await printRemoved(context, [])
    return exitCode.done
  }
  const names = unused.map((network) => network.name)
  if (!yes) {
    const question = `Remove ${countText(names.length, 'network')} without endpoints (${names.join(', ')})? [y/N] `
    const answer = await context.ask?.(question, context.signals.interrupted)
    if (!/^y(es)?$/i.test(answer?.trim() ?? '')) {
      context.note('nothing was removed')
      return exitCode.failed
    }
  }
  await printRemoved(context, await forEachName(context, names, (name) => removeNetwork(context, name)))
  return exitCode.done
}

async function removeNetwork({ controller }: Context, name: string): Promise<Network> {
  const { network } = await controller.ask((client, call) => client.service(NetworksService).remove({ name }, call))
  if (!network) throw new OverlayError('internal', `the controller answered without network ${name}`)
  return network
}

async function printRemoved(context: Context, removed: readonly Network[]): Promise<void> {
  if (context.globals.output === 'table' || context.globals.output === 'wide')
    context.stdout.write(removed.map((network) => `removed network ${network.name}\n`).join(''))
  else await printList(context, networkView, removed)
}
