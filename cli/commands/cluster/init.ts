/** overlayctl cluster init */
import { Command } from 'commander'
import { parseText, texts } from '../../arguments.ts'
import type { InitOptions } from '../../cluster/init.ts'
import type { Context, Runner } from '../../context.ts'
import { exitCode } from '../../exit.ts'
import { printData } from '../../output.ts'
import { timeText } from '../../views/security.ts'
import { addEtcdFileOptions, addHostOptions, addVtepOptions, parseWhole } from './options.ts'

export function initCommand(run: Runner): Command {
  const command = new Command('init')
    .summary('make a cluster, with this host as its first')
    .description(
      "Makes a cluster: its authority, an etcd, a controller and an agent on this host, as units that start with it. All connections are encrypted and mutually authenticated. Root becomes an admin here. Prints the line with which other hosts join, for an hour. When something fails, nothing is left of it. Every check comes before the first change: among others, that the ports are free and the host's address is one that others can reach.",
    )
  addHostOptions(command)
  addVtepOptions(command).option(
    '--etcd <urls>',
    'use this etcd, which somebody else runs, instead of an own one',
    parseText,
  )
  return addEtcdFileOptions(command)
    .option('--pool <cidr:size>', 'where subnets of networks come from when none is given (repeatable)', texts)
    .option(
      '--certificate-life <seconds>',
      'how long certificates are valid; they are renewed at two thirds of it (default: 31536000, a year)',
      parseWhole(60, 315_360_000),
    )
    .addHelpText(
      'after',
      `
Examples:
  overlayctl cluster init
  overlayctl cluster init --advertise 10.0.0.1
  overlayctl cluster init --etcd https://10.0.0.5:2379 --etcd-ca ca.crt --etcd-cert c.crt --etcd-key c.key`,
    )
    .action(run(init))
}

async function init(context: Context, options: InitOptions): Promise<number> {
  const { initCluster, printed } = await import('../../cluster/init.ts')
  const { node, controller, token } = await initCluster(context, options)
  const { globals, stdout } = context
  if (globals.output === 'json' || globals.output === 'yaml')
    await printData(context, {
      node,
      controllers: [controller],
      token: token.token,
      expiresAt: token.record?.expiresAt ?? '',
    })
  else if (globals.output === 'name') stdout.write(`${token.token}\n`)
  else
    stdout.write(`The cluster is there, and ${node} is its first node. On the other hosts, as root:

  overlayctl cluster join ${controller} --token ${token.token}

That is good for ${printed.uses} hosts until ${timeText(token.record?.expiresAt ?? '')}; "overlayctl cluster token create" makes more,
with --control-plane for hosts that shall carry the cluster when this one fails (3 or 5 in all).
Then, for example: overlayctl create --subnet 10.0.9.0/24 web
`)
  return exitCode.done
}
