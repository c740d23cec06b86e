/** overlayctl attach, detach */
import { Command, InvalidArgumentError } from 'commander'
import { OverlayError, UsageError } from '../../lib/errors.ts'
import { AgentService, type AttachRequest, EndpointsService } from '../../proto/index.ts'
import { parseAddress, parseNetns, parsePair, parsePid, parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printOne } from '../output.ts'
import { endpointView } from '../views/endpoint.ts'
import { shortId } from '../views/text.ts'

/** The options that name a sandbox; exactly one of them. */
interface SandboxOptions {
  readonly netns?: string
  readonly pid?: number
}

interface AttachOptions extends SandboxOptions {
  readonly name?: string
  readonly ip?: readonly string[]
  readonly ifname?: string
  readonly node?: string
  readonly label?: { readonly [key: string]: string }
}

interface DetachOptions extends SandboxOptions {
  readonly node?: string
}

export function attachCommand(run: Runner): Command {
  return withSandbox(new Command('attach'))
    .summary('attach a sandbox to a network')
    .description(
      'Attaches a network namespace to a network: claims its addresses and puts an interface into it, by the agent of this host, or through the controller by that of another. The same namespace, network and interface again gives the endpoint that is there. Prints the endpoint.',
    )
    .argument('<network>', 'name of the network', parseText)
    .option('--name <name>', "the endpoint's name, unique in the network", parseText)
    .option('--ip <address>', 'an address to have, one of each family (repeatable)', oneOfEachFamily)
    .option('--ifname <name>', "the interface's name inside (default: eth0)", parseText)
    .option('--node <name>', 'attach on this node, through the controller', parseText)
    .option('--label <key=value>', 'a label (repeatable)', parsePair)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl attach web --netns c1
  overlayctl attach web --pid 4711 --name db --ip 10.0.9.7
  overlayctl attach web --node host2 --netns /run/netns/c1 -o json`,
    )
    .action(run(attach))
}

export function detachCommand(run: Runner): Command {
  return withSandbox(new Command('detach'))
    .summary('detach a sandbox from a network')
    .description(
      'Detaches an endpoint, named by its id (or the beginning of it), or by its network and the namespace that is attached to it. Done by the agent of this host, or through the controller by that of another. Prints the endpoint that was.',
    )
    .argument('<endpoint|network>', "an endpoint's id; a network's name with --netns or --pid", parseText)
    .option('--node <name>', 'detach on this node, through the controller', parseText)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl detach 3f2a9c
  overlayctl detach web --netns c1
  overlayctl detach 3f2a9c --node host2`,
    )
    .action(run(detach))
}

function withSandbox(command: Command): Command {
  return command
    .option('--netns <path>', 'network namespace: a name of "ip netns" or a path', parseNetns)
    .option('--pid <n>', 'a process that lives in the namespace', parsePid)
}

async function attach(context: Context, network: string, options: AttachOptions): Promise<number> {
  const sandbox = sandboxOf(options)
  if (!sandbox) throw new UsageError('attach needs a sandbox: give --netns PATH or --pid N')
  const request = {
    network,
    node: options.node ?? '',
    ...sandbox,
    ifname: options.ifname ?? '',
    name: options.name ?? '',
    addresses: options.ip ?? [],
    labels: options.label ?? {},
  }
  const { endpoint, alreadyAttached } = await (options.node === undefined
    ? context.agent.ask((client, call) => client.service(AgentService).attach(request, call))
    : context.controller.ask((client, call) => client.service(EndpointsService).attach(request, call)))
  if (!endpoint) throw new OverlayError('internal', 'the answer has no endpoint')
  if (alreadyAttached) context.note(`it was attached already, as endpoint ${shortId(endpoint.id)}`)
  await printOne(context, endpointView, endpoint)
  return exitCode.done
}

async function detach(context: Context, target: string, options: DetachOptions): Promise<number> {
  const sandbox = sandboxOf(options)
  const node = options.node ?? ''
  const request = sandbox ? { network: target, ...sandbox, node } : { endpointId: target, node }
  const { endpoint, warning } = await (options.node === undefined
    ? context.agent.ask((client, call) => client.service(AgentService).detach(request, call))
    : context.controller.ask((client, call) => client.service(EndpointsService).detach(request, call)))
  if (warning) context.note(`warning: ${warning}`)
  if (endpoint) await printOne(context, endpointView, endpoint)
  return exitCode.done
}

function sandboxOf({ netns, pid }: SandboxOptions): Pick<AttachRequest, 'netns' | 'pid'> | undefined {
  if (netns !== undefined && pid !== undefined)
    throw new UsageError('--netns and --pid both name the sandbox: give one of them')
  if (netns !== undefined) return { netns }
  return pid === undefined ? undefined : { pid }
}

/** Collects --ip. */
export function oneOfEachFamily(text: string, before: readonly string[] | undefined): readonly string[] {
  const family = (address: string) => (address.includes(':') ? 'IPv6' : 'IPv4')
  const addresses = repeatable(parseAddress)(text, before)
  if (before?.some((address) => family(address) === family(text)))
    throw new InvalidArgumentError(`an endpoint has one ${family(text)} address: give one of ${addresses.join(', ')}`)
  return addresses
}
