/** overlayctl inspect, rm, prune */
import { Command } from 'commander'
import { OverlayError } from '../../lib/errors.ts'
import { type Network, NetworksService, type RemoveNetworkResponse } from '../../proto/index.ts'
import { parseFilter, parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { forEachName } from '../each.ts'
import { exitCode } from '../exit.ts'
import { printDetails, printList } from '../output.ts'
import { networkView } from '../views/network.ts'
import { countText } from '../views/text.ts'
import { listNetworks } from './list-networks.ts'

export function inspectCommand(run: Runner): Command {
  return new Command('inspect')
    .summary('show networks in full')
    .description(
      'Shows networks with all their fields, how their addresses are used, the nodes that have them, what is to be warned of, and at most 1000 endpoints. As JSON: an object for one name, a list for several. Goes on past names that fail; the exit code is 1 then.',
    )
    .argument('<name...>', 'names of networks, or the beginning of their uids', repeatable(parseText))
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
      'Removes networks. One that still has endpoints is refused: detach them first, or give --force, which has them detached by the agents of their nodes. Goes on past names that fail; the exit code is 1 then.',
    )
    .argument('<name...>', 'names of networks, or the beginning of their uids', repeatable(parseText))
    .option('-f, --force', 'detach the endpoints first (for many, give it time with --timeout)')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl rm web db
  overlayctl rm --force --timeout 60 web`,
    )
    .action(run(rm))
}

export function pruneCommand(run: Runner): Command {
  return new Command('prune')
    .summary('remove all networks without endpoints')
    .description(
      'Removes every network that has no endpoints, or those of them that fit the filters, after asking. Where nobody can be asked (standard input is no terminal) give --yes.',
    )
    .option(
      '--filter <key=value>',
      'only networks with a label (label=KEY or label=KEY=VALUE) or made before a time or as long ago (until=) (repeatable)',
      repeatable(parseFilter(['label', 'until'])),
    )
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl prune
  overlayctl prune --yes --filter until=24h --filter label=team=shop`,
    )
    .action(run(prune))
}

async function inspect(context: Context, names: readonly string[]): Promise<number> {
  const found = await forEachName(context, names, (name) =>
    context.controller.ask((client, call) => client.service(NetworksService).get({ name }, call)),
  )
  await printDetails(context, networkView, found, names.length)
  return exitCode.done
}

async function rm(context: Context, names: readonly string[], { force = false }: { force?: boolean }): Promise<number> {
  await printRemoved(context, await forEachName(context, names, (name) => removeNetwork(context, name, force)))
  return exitCode.done
}

/** Networks that the question names. */
const named = 50

interface PruneOptions {
  readonly filter?: readonly string[]
  readonly yes?: boolean
}

async function prune(context: Context, { filter = [], yes }: PruneOptions): Promise<number> {
  if (filter.length > 0) {
    const { refuseWrongFilters } = await import('../requests/filters.ts')
    refuseWrongFilters(filter, context.now())
  }
  if (!yes && !context.ask)
    throw new OverlayError(
      'failed_precondition',
      'prune asks before it removes, and standard input is no terminal: give --yes to remove without a question',
    )
  const unused = await listNetworks(context, { filters: [...filter, 'dangling=true'] })
  if (unused.length === 0) {
    const why = filter.length > 0 ? 'no network without endpoints fits the filters' : 'every network has endpoints'
    context.note(`nothing to prune: ${why}`)
    if (context.globals.output === 'json' || context.globals.output === 'yaml') await printRemoved(context, [])
    return exitCode.done
  }
  if (!yes) {
    const names = unused.slice(0, named).map((network) => network.name)
    const more =
      unused.length > named ? ` and ${unused.length - named} more, see "overlayctl ls --filter dangling=true"` : ''
    const question = `Remove ${countText(unused.length, 'network')} without endpoints (${names.join(', ')}${more})? [y/N] `
    const answer = await context.ask?.(question, context.signals.interrupted)
    if (!/^y(es)?$/i.test(answer?.trim() ?? '')) {
      context.note('nothing was removed')
      return exitCode.failed
    }
  }
  // By uid: one that was made anew under a name meanwhile is not what was asked about.
  await printRemoved(context, await forEachName(context, unused, ({ uid }) => removeNetwork(context, uid, false)))
  return exitCode.done
}

interface Removed {
  readonly network: Network
  readonly detachedEndpoints: number
}

async function removeNetwork({ controller, globals }: Context, name: string, force: boolean): Promise<Removed> {
  const { network, detachedEndpoints }: RemoveNetworkResponse = await controller.ask(
    (client, call) => client.service(NetworksService).remove({ name, force }, call),
    force ? { timeout: globals.longTimeout } : {},
  )
  if (!network) throw new OverlayError('internal', `the controller answered without network ${name}`)
  return { network, detachedEndpoints }
}

async function printRemoved(context: Context, removed: readonly Removed[]): Promise<void> {
  if (context.globals.output === 'table' || context.globals.output === 'wide')
    context.stdout.write(removed.map(removedText).join(''))
  else
    await printList(
      context,
      networkView,
      removed.map(({ network }) => network),
    )
}

function removedText({ network: { name }, detachedEndpoints: count }: Removed): string {
  return `removed network ${name}${count > 0 ? ` and detached ${countText(count, 'endpoint')}` : ''}\n`
}
