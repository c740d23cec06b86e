/** overlayctl cluster join */
import { Command } from 'commander'
import { parseHostPorts, parseText, texts } from '../../arguments.ts'
import type { JoinOptions } from '../../cluster/join.ts'
import type { Context, Runner } from '../../context.ts'
import { exitCode } from '../../exit.ts'
import { printData } from '../../output.ts'
import { addEtcdFileOptions, addHostOptions, addVtepOptions, parseWhole } from './options.ts'

export function joinCommand(run: Runner): Command {
  const command = new Command('join')
    .summary('make this host part of a cluster')
    .description(
      "Makes this host a node of a cluster: a key that never leaves it, a certificate for it, and the agent as a unit. Whom it speaks to is known by the authority's fingerprint in the token; nothing is sent to anybody else. With --control-plane the host also gets a member of etcd and a controller. When something fails, nothing is left of it, here or in the cluster.",
    )
    .argument('<host:port>', 'a controller; of several, with commas between, the first that answers', parseHostPorts)
    .option('--token <token>', 'as "cluster init" or "cluster token create" has printed it [OVERLAY_TOKEN]', parseText)
    .option('--token-file <file>', 'the file that holds it, or - for standard input', parseText)
    .option('--control-plane', 'carry the cluster too: etcd and a controller (the token must be for it)')
    .option('--replace', 'take the place of a node of the same name, whose host is lost')
  addHostOptions(command)
  addVtepOptions(command)
  return addEtcdFileOptions(command)
    .option('--pool <cidr:size>', 'of a host of the control plane: as "cluster init" was given it (repeatable)', texts)
    .option(
      '--certificate-life <seconds>',
      'of a host of the control plane: as "cluster init" was given it',
      parseWhole(60, 315_360_000),
    )
    .addHelpText(
      'after',
      `
Without --advertise, the address from which this host reaches the controller is taken.

Examples:
  overlayctl cluster join 10.0.0.1:4780 --token overlay1.…
  overlayctl cluster join 10.0.0.1:4780 --token-file - --control-plane < token`,
    )
    .action(run(join))
}

async function join(context: Context, controllers: readonly string[], options: JoinOptions): Promise<number> {
  const { joinCluster } = await import('../../cluster/join.ts')
  const joined = await joinCluster(context, controllers, options)
  const { globals, stdout } = context
  if (globals.output === 'json' || globals.output === 'yaml')
    await printData(context, { ...joined, controllers: [...joined.controllers] })
  else if (globals.output === 'name') stdout.write(`${joined.node}\n`)
  else
    stdout.write(
      `${joined.node} is a node of the cluster${options.controlPlane ? ', and part of its control plane' : ''}: see overlayctl node ls\n`,
    )
  return exitCode.done
}
