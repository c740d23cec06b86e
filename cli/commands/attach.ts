/** overlayctl attach, detach */
import { Command } from 'commander'
import { OverlayError } from '../../lib/errors.ts'
import { AgentService, EndpointsService } from '../../proto/index.ts'
import { parseText, texts } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { withEndpointOptions } from '../endpoint-options.ts'
import { exitCode } from '../exit.ts'
import { printOne } from '../output.ts'
import type { AttachOptions, DetachOptions } from '../requests/attach.ts'
import { endpointView } from '../views/endpoint.ts'
import { shortId } from '../views/text.ts'

export function attachCommand(run: Runner): Command {
  return withEndpointOptions(withSandbox(new Command('attach')))
    .summary('attach a sandbox to a network')
    .description(
      'Attaches a network namespace to a network: claims its addresses and puts an interface into it, by the agent of this host, or through the controller by that of another. The same namespace and network again gives the endpoint that is there, unless --ifname names another interface; several networks are attached one after another. Prints the endpoint.',
    )
    .argument('<network>', 'name of the network, or the beginning of its uid')
    .option('--node <name>', 'attach on this node, through the controller')
    .option('--label <key[=value]>', 'a label (repeatable)', texts)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl attach web --netns c1
  overlayctl attach web --pid 4711 --name db --ip 10.0.9.7 --ip6 fd00:9::7
  overlayctl attach backend --netns c1 --gw-priority -1
  overlayctl attach web --node host2 --netns /run/netns/c1 -o json`,
    )
    .action(run(attach))
}

export function detachCommand(run: Runner): Command {
  return withSandbox(new Command('detach'))
    .summary('detach a sandbox from a network')
    .description(
      'Detaches an endpoint, named by its id (or the beginning of it), by its name, or by its network and the namespace that is attached to it. Done by the agent of this host, or through the controller by that of another. Prints the endpoint that was.',
    )
    .argument('<endpoint|network>', "an endpoint's id or name; a network with --netns or --pid", parseText)
    .option('--network <name>', "the endpoint's network, where several have an endpoint of that name")
    .option('--node <name>', 'detach on this node, through the controller')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl detach 3f2a9c
  overlayctl detach web --netns c1
  overlayctl detach client --network web
  overlayctl detach 3f2a9c --node host2`,
    )
    .action(run(detach))
}

function withSandbox(command: Command): Command {
  return command
    .option('--netns <path>', 'network namespace: a name of "ip netns" or a path')
    .option('--pid <n>', 'a process that lives in the namespace')
}

async function attach(context: Context, network: string, options: AttachOptions): Promise<number> {
  const { attachRequest } = await import('../requests/attach.ts')
  const request = attachRequest(network, options)
  const { endpoint, alreadyAttached } = await (options.node === undefined
    ? context.agent.ask((client, call) => client.service(AgentService).attach(request, call))
    : context.controller.ask((client, call) => client.service(EndpointsService).attach(request, call)))
  if (!endpoint) throw new OverlayError('internal', 'the answer has no endpoint')
  if (alreadyAttached) context.note(`it was attached already, as endpoint ${shortId(endpoint.id)}`)
  await printOne(context, endpointView, endpoint)
  return exitCode.done
}

async function detach(context: Context, target: string, options: DetachOptions): Promise<number> {
  const { detachRequest } = await import('../requests/attach.ts')
  const request = detachRequest(target, options)
  const { endpoint, warning } = await (options.node === undefined
    ? context.agent.ask((client, call) => client.service(AgentService).detach(request, call))
    : context.controller.ask((client, call) => client.service(EndpointsService).detach(request, call)))
  if (warning) context.note(`warning: ${warning}`)
  if (endpoint) await printOne(context, endpointView, endpoint)
  return exitCode.done
}
