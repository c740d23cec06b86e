/** overlayctl plan */
import { Command } from 'commander'
import { AgentService, Verification } from '../../proto/index.ts'
import { parseText } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printData } from '../output.ts'
import { tableText } from '../table.ts'
import { countText } from '../views/text.ts'
import { deviationNames, planColumns } from '../views/verification.ts'
import { askNode, warn } from './verify.ts'

export function planCommand(run: Runner): Command {
  return new Command('plan')
    .summary('show what an agent would do to its host')
    .description(
      'Shows what the agent of this host, or of a node, would do so that the kernel is as the store says: the operations in their order, and why one is held back. Nothing is done by it. An agent does at once what it may, so that there is hardly anything to show but what is held back, or fails. As JSON: a Verification.',
    )
    .option('--node <name>', 'the agent of this node, through a controller (default: the local agent)', parseText)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl plan
  overlayctl plan --node host2`,
    )
    .action(run(plan))
}

async function plan(context: Context, { node }: { readonly node?: string }): Promise<number> {
  const { globals, stdout, now } = context
  const found =
    node === undefined
      ? await context.agent.ask((client, call) => client.service(AgentService).verify({}, call), {
          timeout: globals.longTimeout,
        })
      : await askNode(context, node)
  warn(context, found)
  if (globals.output === 'json' || globals.output === 'yaml') await printData(context, Verification.toJson(found))
  else if (globals.output === 'name')
    stdout.write(
      deviationNames(found)
        .map((name) => `${name}\n`)
        .join(''),
    )
  else if (found.deviations.length === 0)
    stdout.write(`nothing to do on node ${found.node}: ${countText(found.objects, 'object')}, all as it should be\n`)
  else {
    stdout.write(tableText(planColumns, found.deviations, { now: now(), wide: globals.output === 'wide' }))
    if (found.more > 0) context.note(`and ${countText(found.more, 'object')} more`)
  }
  return exitCode.done
}
