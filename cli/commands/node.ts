/** overlayctl node ls, inspect, drain, undrain, rm, resync */
import { Command } from 'commander'
import { Faults } from '../../lib/faults.ts'
import { checkReason } from '../../lib/requests/drain-node.ts'
import { pause } from '../../lib/retry.ts'
import { type Node, NodesService } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { forEachName } from '../each.ts'
import { exitCode } from '../exit.ts'
import { printDetails, printList } from '../output.ts'
import { refuseFaults } from '../requests/wrong-usage.ts'
import { nodeView } from '../views/node.ts'
import { countText } from '../views/text.ts'
import { nodeResyncCommand } from './node-resync.ts'

/** Milliseconds between two notes of how far a drain has come. */
const progressInterval = 2_000

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
    .summary('list, show, drain, forget and resync nodes')
    .description('Nodes: the hosts that run an agent. A host becomes a node when its agent first starts.')
    .addCommand(ls)
    .addCommand(inspect)
    .addCommand(drainCommand(run))
    .addCommand(undrainCommand(run))
    .addCommand(rm)
    .addCommand(nodeResyncCommand(run))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node ls
  overlayctl node drain --reason "new disk" host3
  overlayctl node rm host3`,
    )
}

function drainCommand(run: Runner): Command {
  return new Command('drain')
    .summary('take nodes out of use')
    .description(
      'Takes nodes out of use: from now on they refuse new endpoints, and those that they have are detached by their agents. May be repeated, for example when an agent was not there. Goes on past names that fail; the exit code is 1 then.',
    )
    .argument('<name...>', 'names of nodes, or the beginnings of their uids', repeatable(parseText))
    .option('--reason <text>', 'why, for those whom the node refuses; an empty one takes back what was given before')
    .option('--keep-endpoints', 'detach nothing, only refuse new endpoints; also for a node whose agent is gone')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node drain host3
  overlayctl node drain --keep-endpoints --reason "new disk on Monday" host3`,
    )
    .action(run(drain))
}

function undrainCommand(run: Runner): Command {
  return new Command('undrain')
    .summary('take nodes back into use')
    .description(
      'Takes drained nodes back into use: they take endpoints again. One that is not drained stays as it is.',
    )
    .argument('<name...>', 'names of nodes, or the beginnings of their uids', repeatable(parseText))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node undrain host3`,
    )
    .action(run(undrain))
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
  await printDone(
    context,
    removed.flatMap(({ nodes }) => nodes),
    removed.map(
      ({ name, releasedEndpoints }) => `removed node ${name} and released ${countText(releasedEndpoints, 'endpoint')}`,
    ),
  )
  return exitCode.done
}

interface DrainOptions {
  readonly reason?: string
  readonly keepEndpoints?: boolean
}

async function drain(context: Context, names: readonly string[], { reason, keepEndpoints = false }: DrainOptions) {
  const faults = new Faults()
  checkReason(faults, reason ?? '')
  refuseFaults(faults, { reason: '--reason' })
  const drained = await forEachName(context, names, async (name) => {
    const over = new AbortController()
    if (!keepEndpoints) void tellProgress(context, name, over.signal)
    try {
      const { node, detachedEndpoints } = await context.controller.ask(
        (client, call) => client.service(NodesService).drain({ name, reason, keepEndpoints }, call),
        { timeout: context.globals.longTimeout },
      )
      return { name, nodes: node ? [node] : [], detachedEndpoints }
    } finally {
      over.abort()
    }
  })
  await printDone(
    context,
    drained.flatMap(({ nodes }) => nodes),
    drained.map(({ name, detachedEndpoints }) =>
      keepEndpoints
        ? `drained node ${name}; its endpoints stay`
        : `drained node ${name} and detached ${countText(detachedEndpoints, 'endpoint')}`,
    ),
  )
  return exitCode.done
}

/** A node with many endpoints takes a while. That it cannot be told is no failure. */
async function tellProgress(context: Context, name: string, over: AbortSignal): Promise<void> {
  for (let before: number | undefined; ; ) {
    await pause(progressInterval, over)
    if (over.aborted) return
    const left = await context.controller
      .ask((client, call) => client.service(NodesService).get({ name }, call))
      .then(
        ({ status }) => status?.endpointCount,
        () => undefined,
      )
    if (over.aborted) return
    if (left !== undefined && left !== before) context.note(`${name}: ${countText(left, 'endpoint')} left`)
    before = left
  }
}

async function undrain(context: Context, names: readonly string[]) {
  const nodes = await forEachName(context, names, (name) =>
    context.controller.ask((client, call) => client.service(NodesService).undrain({ name }, call)),
  )
  await printDone(
    context,
    nodes,
    nodes.map(({ name }) => `node ${name} takes endpoints again`),
  )
  return exitCode.done
}

/** For people what was done, a line each; else the nodes. */
async function printDone(context: Context, nodes: readonly Node[], lines: readonly string[]): Promise<void> {
  const { output } = context.globals
  if (output === 'table' || output === 'wide') for (const line of lines) context.stdout.write(`${line}\n`)
  else await printList(context, nodeView, nodes)
}
