/** overlayctl node ls, node inspect, node rm */
import { Command } from 'commander'
import { NodesService } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { forEachName } from '../each.ts'
import { exitCode } from '../exit.ts'
import { printDetails, printList } from '../output.ts'
import { nodeView } from '../views/node.ts'
import { countText } from '../views/text.ts'

export function nodeCommand(run: Runner): Command {
  const ls = new Command('ls')
    .summary('list nodes')
    .description('Lists the nodes: hosts that run, or ran, an agent, and whether it is alive.')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node ls
  overlayctl node ls -o json`,
    )
    .action(run(list))
  const inspect = new Command('inspect')
    .summary('show nodes in full')
    .description(
      'Shows nodes with all their fields. As JSON: an object for one name, a list for several. Goes on past names that fail; the exit code is 1 then.',
    )
    .argument('<name...>', 'names of nodes, or the beginnings of their uids', repeatable(parseText))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node inspect host1`,
    )
    .action(run(show))
  const rm = new Command('rm')
    .summary('forget nodes')
    .description(
      'Forgets nodes that are gone for good and releases their endpoints and addresses. A node whose agent is alive is refused: stop the agent first, or give --force. Goes on past names that fail; the exit code is 1 then.',
    )
    .argument('<name...>', 'names of nodes, or the beginnings of their uids', repeatable(parseText))
    .option('--force', 'also a node whose agent is alive')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node rm host3
  overlayctl node rm --force host3`,
    )
    .action(run(remove))
  return new Command('node')
    .summary('list, show and forget nodes')
    .description('Nodes: the hosts that run an agent. A host becomes a node when its agent first starts.')
    .addCommand(ls)
    .addCommand(inspect)
    .addCommand(rm)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node ls
  overlayctl node rm host3`,
    )
}

async function list(context: Context) {
  const { nodes } = await context.controller.ask((client, call) => client.service(NodesService).list({}, call))
  await printList(context, nodeView, nodes)
  return exitCode.done
}

async function show(context: Context, names: readonly string[]) {
  const found = await forEachName(context, names, (name) =>
    context.controller.ask((client, call) => client.service(NodesService).get({ name }, call)),
  )
  await printDetails(context, nodeView, found, names.length)
  return exitCode.done
}

async function remove(context: Context, names: readonly string[], { force = false }: { force?: boolean }) {
  const removed = await forEachName(context, names, async (name) => {
    const { node, releasedEndpoints } = await context.controller.ask(
      (client, call) => client.service(NodesService).remove({ name, force }, call),
      { timeout: context.globals.longTimeout },
    )
    return { name, nodes: node ? [node] : [], releasedEndpoints }
  })
  if (context.globals.output === 'table' || context.globals.output === 'wide')
    for (const { name, releasedEndpoints } of removed)
      context.stdout.write(`removed node ${name} and released ${countText(releasedEndpoints, 'endpoint')}\n`)
  else
    await printList(
      context,
      nodeView,
      removed.flatMap(({ nodes }) => nodes),
    )
  return exitCode.done
}
