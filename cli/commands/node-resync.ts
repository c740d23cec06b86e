/** overlayctl node resync */
import { Command } from 'commander'
import { UsageError } from '../../lib/errors.ts'
import { AgentService, NodesService, ResyncResponse } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { forEachName } from '../each.ts'
import { exitCode } from '../exit.ts'
import { printData } from '../output.ts'
import { printable } from '../table.ts'
import { countText } from '../views/text.ts'

interface ResyncOptions {
  readonly all?: boolean
  readonly discard?: boolean
}

export function nodeResyncCommand(run: Runner): Command {
  return new Command('resync')
    .summary('have agents believe a restored store')
    .description(
      'When etcd was restored from an older state, every agent that has seen more holds: it deletes nothing and refuses attaches. This has agents believe the store again: what lives on their hosts and is not in the store is written back, with its addresses; what the store has is made so. Without names the local agent is asked, by its socket. Resync all nodes: until then an agent keeps what it knows of the others, for ten minutes. May be repeated. Goes on past nodes that fail; the exit code is 1 then, and where an endpoint could not be written back.',
    )
    .argument('[name...]', 'names of nodes, or the beginnings of their uids', repeatable(parseText))
    .option('--all', 'all nodes, one after another')
    .option('--discard', 'take down what cannot be written back, because its network or address is not there any more')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl node resync --all
  overlayctl node resync host1 host2
  overlayctl node resync --discard`,
    )
    .action(run(resync))
}

async function resync(context: Context, names: readonly string[] | undefined, options: ResyncOptions): Promise<number> {
  const { all = false, discard = false } = options
  const named = names ?? []
  if (all && named.length > 0) throw new UsageError('give either names of nodes, or --all')
  const { controller, agent, globals } = context
  // It answers when all is written and read: with thousands of endpoints that takes a while.
  const patience = { timeout: globals.longTimeout }
  const answers =
    all || named.length > 0
      ? await forEachName(context, all ? await allNodes(context) : named, (name) =>
          controller.ask((client, call) => client.service(NodesService).resync({ name, discard }, call), patience),
        )
      : [await agent.ask((client, call) => client.service(AgentService).resync({ discard }, call), patience)]
  await print(context, answers)
  return answers.some(({ left }) => left.length > 0) ? exitCode.failed : exitCode.done
}

async function allNodes({ controller }: Context): Promise<readonly string[]> {
  const { nodes } = await controller.ask((client, call) => client.service(NodesService).list({}, call))
  return nodes.map(({ name }) => name)
}

async function print(context: Context, answers: readonly ResyncResponse[]): Promise<void> {
  const { output } = context.globals
  if (output === 'json' || output === 'yaml')
    return printData(
      context,
      answers.map((answer) => ResyncResponse.toJson(answer)),
    )
  for (const answer of answers) {
    const { node, left } = answer
    const details = output === 'name' ? [] : detailsOf(answer)
    for (const line of [output === 'name' ? node : summary(answer), ...details])
      context.stdout.write(`${printable(line)}\n`)
    for (const line of left) context.note(`node ${node}: left as it is: ${line}`)
  }
}

function summary({ node, restored, discarded, left }: ResyncResponse): string {
  const parts = [
    `wrote back ${countText(restored.length, 'endpoint')}`,
    ...(discarded.length > 0 ? [`took down ${countText(discarded.length, 'endpoint')}`] : []),
    ...(left.length > 0 ? [`left ${countText(left.length, 'endpoint')} as it was`] : []),
  ]
  return `resynced node ${node}: ${parts.join(', ')}`
}

function detailsOf({ restored, discarded }: ResyncResponse): readonly string[] {
  return [
    ...restored.map(({ id, network, addresses }) => `  written back: ${id} of ${network} (${addresses.join(', ')})`),
    ...discarded.map(({ id, network }) => `  taken down: ${id} of ${network}`),
  ]
}
