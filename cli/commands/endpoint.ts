/** overlayctl endpoint ls, endpoint inspect */
import { Command } from 'commander'
import { EndpointsService } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { forEachName } from '../each.ts'
import { exitCode } from '../exit.ts'
import { printDetails, printList } from '../output.ts'
import { allPages } from '../pages.ts'
import { endpointView } from '../views/endpoint.ts'

export function endpointCommand(run: Runner): Command {
  const ls = new Command('ls')
    .summary('list endpoints')
    .description('Lists endpoints: all, those of one network, those on one node, or both.')
    .option('--network <name>', 'only of this network: its name, or the beginning of its uid', parseText)
    .option('--node <name>', 'only on this node: its name, or the beginning of its uid', parseText)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl endpoint ls
  overlayctl endpoint ls --network web --node host1 -o json`,
    )
    .action(run(list))
  const inspect = new Command('inspect')
    .summary('show endpoints in full')
    .description(
      'Shows endpoints with all their fields. As JSON: an object for one, a list for several. Goes on past those that fail; the exit code is 1 then.',
    )
    .argument('<id...>', 'ids, beginnings of ids, or names', repeatable(parseText))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl endpoint inspect 3f2a9c
  overlayctl endpoint inspect client -o json`,
    )
    .action(run(show))
  return new Command('endpoint')
    .summary('list and show endpoints')
    .description(
      'Endpoints: attachments of sandboxes to networks, on any host. "attach" and "detach" make and end them.',
    )
    .addCommand(ls)
    .addCommand(inspect)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl endpoint ls --network web
  overlayctl endpoint inspect 3f2a9c`,
    )
}

async function list(context: Context, { network = '', node = '' }: { network?: string; node?: string }) {
  const endpoints = await allPages(
    (pageToken) =>
      context.controller.ask((client, call) =>
        client.service(EndpointsService).list({ network, node, pageToken }, call),
      ),
    (page) => page.endpoints,
  )
  await printList(context, endpointView, endpoints)
  return exitCode.done
}

async function show(context: Context, ids: readonly string[]) {
  const found = await forEachName(context, ids, (id) =>
    context.controller.ask((client, call) => client.service(EndpointsService).get({ id }, call)),
  )
  await printDetails(context, endpointView, found, ids.length)
  return exitCode.done
}
