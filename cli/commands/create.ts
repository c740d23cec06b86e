/** overlayctl create */
import { Command, InvalidArgumentError } from 'commander'
import { OverlayError, UsageError } from '../../lib/errors.ts'
import { type CreateNetworkResponse, NetworksService } from '../../proto/index.ts'
import { parseAddress, parseMtu, parsePair, parseText, repeatable } from '../arguments.ts'
import { CallError } from '../connect.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printOne } from '../output.ts'
import { networkView } from '../views/network.ts'

interface CreateOptions {
  readonly subnet?: readonly string[]
  readonly gateway?: readonly string[]
  readonly mtu?: number
  readonly label?: { readonly [key: string]: string }
  readonly opt?: { readonly [key: string]: string }
  readonly wait?: boolean
}

export function createCommand(run: Runner): Command {
  return new Command('create')
    .summary('create a network')
    .description(
      'Creates an overlay network: a name, a VNI and one subnet, or one of each family. The name is made up when none is given; subnets come from the pools of the controller when none is given. Hosts set it up when their first endpoint is attached. Prints the network.',
    )
    .argument('[name]', 'a DNS label', parseText)
    .option('--subnet <cidr>', 'IPv4 or IPv6 subnet, one of each family (repeatable)', repeatable(parseSubnet))
    .option(
      '--gateway <address>',
      "gateway of the subnet of its family (repeatable; default: the subnet's first address)",
      repeatable(parseAddress),
    )
    .option(
      '--mtu <bytes>',
      "MTU of the endpoints' interfaces (default: what the underlay of every node carries)",
      parseMtu,
    )
    .option('--label <key=value>', 'a label (repeatable)', parsePair)
    .option('--opt <key=value>', 'an option of the network (repeatable)', parsePair)
    .option('--wait', 'return when every live agent has applied it (at most --timeout)')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl create --subnet 10.0.9.0/24 web
  overlayctl create web --subnet 10.0.9.0/24 --gateway 10.0.9.254 --subnet fd00:9::/64
  overlayctl create --wait -o name`,
    )
    .action(run(create))
}

async function create(context: Context, name: string | undefined, options: CreateOptions): Promise<number> {
  const started = performance.now()
  const request = {
    name: name ?? '',
    subnets: subnetsWithGateways(options.subnet ?? [], options.gateway ?? []),
    mtu: options.mtu ?? 0,
    labels: options.label ?? {},
    options: options.opt ?? {},
  }
  const made = await context.controller.ask((client, call) => client.service(NetworksService).create(request, call))
  if (!made.network) throw new OverlayError('internal', 'the controller answered without a network')
  if (options.wait) await waitApplied(context, made, context.globals.timeout - (performance.now() - started))
  await printOne(context, networkView, made.network)
  return exitCode.done
}

/** @throws OverlayError that says that the network exists, and what is missing. */
async function waitApplied(context: Context, { network, revision }: CreateNetworkResponse, rest: number) {
  const name = network?.name ?? ''
  const timeout = Math.max(1, Math.round(rest))
  try {
    await context.controller.ask(
      (client, call) => client.service(NetworksService).waitApplied({ network: name, revision }, call),
      { timeout },
    )
  } catch (error) {
    // The controller's own answer says both already.
    const told = error instanceof CallError && error.reached === 'answered' && error.code === 'deadline'
    if (told || context.signals.interrupted.aborted) throw error
    const { code, message } = OverlayError.from(error)
    throw new OverlayError(code, `network ${name} exists, but whether it is applied is not known: ${message}`, {
      cause: error,
    })
  }
}

/** Which gateway belongs to which subnet is told by the family: a network has one subnet of each. */
export function subnetsWithGateways(subnets: readonly string[], gateways: readonly string[]) {
  const left = [...gateways]
  const matched = subnets.map((cidr) => {
    const at = left.findIndex((gateway) => isIPv6Text(gateway) === isIPv6Text(cidr))
    const [gateway = ''] = at < 0 ? [] : left.splice(at, 1)
    return { cidr, gateway }
  })
  const [stray] = left
  if (stray !== undefined)
    throw new UsageError(
      `--gateway ${stray}: there is no ${isIPv6Text(stray) ? 'IPv6' : 'IPv4'} subnet left for it; give --subnet with each gateway`,
    )
  return matched
}

function isIPv6Text(text: string): boolean {
  return text.includes(':')
}

/** Only the shape: what is wrong with a subnet the controller tells, all faults at once. */
function parseSubnet(text: string): string {
  if (/^[\da-fA-F.:]+\/\d+$/.test(text)) return text
  throw new InvalidArgumentError(`"${text}" is not a subnet (write ADDRESS/PREFIX, for example 10.0.9.0/24)`)
}
