/** overlayctl create */
import { Command } from 'commander'
import { OverlayError, UsageError } from '../../lib/errors.ts'
import { mtuRange } from '../../lib/requests/mtu.ts'
import { type CreateNetworkRequest, type Init, type Network, NetworksService } from '../../proto/index.ts'
import { texts } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printOne, printResults } from '../output.ts'
import type { NetworkOptions } from '../requests/create.ts'
import { networkView, notYetMade } from '../views/network.ts'
import { nothingToWaitFor, waitApplied } from './wait-applied.ts'

interface CreateOptions extends NetworkOptions {
  readonly file?: readonly string[]
  readonly dryRun?: boolean
  readonly wait?: boolean
}

const dryRunNote = 'dry run: nothing was made'

export function createCommand(run: Runner): Command {
  return new Command('create')
    .summary('create a network')
    .description(
      'Creates an overlay network: a name, a VNI and one subnet, or one of each family. The name is made up when none is given; subnets come from the pools of the controller when none is given. Hosts set it up when their first endpoint is attached. Prints the network. With --file, creates the networks that a manifest describes; one that exists already is refused, and the others are made ("apply" changes it instead).',
    )
    .argument('[name]', 'a DNS label')
    .option('--subnet <cidr>', 'IPv4 or IPv6 subnet, one of each family (repeatable)', texts)
    .option(
      '--gateway <address>',
      "gateway of the subnet of its family (repeatable; default: the subnet's first address)",
      texts,
    )
    .option(
      '--ip-range <cidr>',
      'part of the subnet of its family that addresses are chosen from (repeatable; default: all)',
      texts,
    )
    .option(
      '--aux-address <name=address>',
      'an address that no endpoint gets, and what it is called (repeatable)',
      texts,
    )
    .option('--ipv6', 'add a unique local IPv6 /64 (RFC 4193), unless an IPv6 subnet is given')
    .option('--internal', 'no way out: sandboxes get no default route by this network')
    .option(
      '--mtu <bytes>',
      `MTU of the endpoints' interfaces: ${mtuRange} (default: what the underlay of every node carries)`,
    )
    .option('--vni <number>', 'VXLAN network identifier (default: the next free one)')
    .option('--label <key[=value]>', 'a label (repeatable)', texts)
    .option('--opt <key=value>', 'an option of the network (repeatable)', texts)
    .option('--multicast', 'broadcast and multicast reach the hosts that have the network')
    .option('--eager', 'set up on every host at once, before there is an endpoint')
    .option('--allow-overlap', 'subnets may lie on routes, addresses and resolvers of nodes')
    .option('--config-from <network>', 'take from this network what is not given here, but its name, subnets and VNI')
    .option('-f, --file <path>', 'manifest of networks, YAML or JSON; -: standard input (repeatable)', texts)
    .option('--dry-run', 'print what would be made, and make nothing')
    .option('--wait', 'return when every live agent has applied it (at most --timeout)')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl create --subnet 10.0.9.0/24 web
  overlayctl create web --subnet 10.0.9.0/24 --gateway 10.0.9.254 --subnet fd00:9::/64
  overlayctl create web --subnet 10.0.9.0/24 --ip-range 10.0.9.128/25 --aux-address router=10.0.9.2
  overlayctl create --ipv6 --internal --wait -o name
  overlayctl create --config-from web web2
  overlayctl create --file networks.yaml`,
    )
    .action(run(create))
}

async function create(context: Context, name: string | undefined, options: CreateOptions): Promise<number> {
  const { file, dryRun = false, wait, ...description } = options
  if (wait && dryRun) throw new UsageError(nothingToWaitFor)
  if (file) {
    refuseBesideFile(name, description)
    return createOfFiles(context, file, options)
  }
  const { createRequest } = await import('../requests/create.ts')
  const network = await createOne(context, createRequest(name, description), options)
  if (dryRun) context.note(dryRunNote)
  await printOne(context, networkView, network)
  return exitCode.done
}

async function createOne(
  context: Context,
  request: Init<CreateNetworkRequest>,
  { dryRun = false, wait }: CreateOptions,
): Promise<Network> {
  const since = performance.now()
  const { network, revision } = await context.controller.ask((client, call) =>
    client.service(NetworksService).create({ ...request, dryRun }, call),
  )
  if (!network) throw new OverlayError('internal', 'the controller answered without a network')
  if (wait) await waitApplied(context, { name: network.name, revision, is: 'exists', since })
  return dryRun ? notYetMade(network) : network
}

async function createOfFiles(context: Context, files: readonly string[], options: CreateOptions): Promise<number> {
  const { creationOf, forEachNetwork, readManifests } = await import('../manifest/index.ts')
  const wanted = await readManifests(context, files)
  const made = await forEachNetwork(context, wanted, (one) => createOne(context, creationOf(one), options))
  if (options.dryRun) context.note(dryRunNote)
  await printResults(context, networkView, made)
  return exitCode.done
}

function refuseBesideFile(name: string | undefined, description: NetworkOptions): void {
  const given = [
    ...(name === undefined ? [] : ['NAME']),
    ...Object.keys(description).map((key) => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`),
  ]
  if (given.length > 0)
    throw new UsageError(
      `--file: the file says what the networks are: leave out ${given.join(', ')}, or write it there`,
    )
}
