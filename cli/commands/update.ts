/** overlayctl update */
import { Command } from 'commander'
import { OverlayError, UsageError } from '../../lib/errors.ts'
import { mtuRange } from '../../lib/requests/mtu.ts'
import { NetworksService, type UpdateNetworkRequest } from '../../proto/index.ts'
import { texts } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printOne } from '../output.ts'
import type { ChangeOptions } from '../requests/update.ts'
import { networkView } from '../views/network.ts'
import { nothingToWaitFor, waitApplied } from './wait-applied.ts'

interface UpdateOptions extends ChangeOptions {
  readonly dryRun?: boolean
  readonly wait?: boolean
}

export function updateCommand(run: Runner): Command {
  return new Command('update')
    .summary('change a network while endpoints are attached')
    .description(
      'Changes labels, options, the MTU and IP ranges of a network, and grows its subnets, while endpoints are attached: no endpoint gets another address, no connection breaks. What is not given stays as it is. Name, VNI, gateways, auxiliary addresses, and whether it is internal, multicast or eager stay for good. Prints the network.',
    )
    .argument('<network>', 'name of the network, or the beginning of its uid')
    .option('--label <key[=value]>', 'set a label (repeatable)', texts)
    .option('--label-rm <key>', 'remove a label (repeatable)', texts)
    .option('--opt <key=value>', 'set an option of the network (repeatable)', texts)
    .option('--opt-rm <key>', 'remove an option of the network (repeatable)', texts)
    .option('--mtu <bytes>', `MTU of the endpoints' interfaces, at both ends and on the way: ${mtuRange}`)
    .option('--subnet <cidr>', 'grow the subnet of its family to this one, which contains it (repeatable)', texts)
    .option(
      '--ip-range <cidr>',
      'choose addresses of its family from this range; none, none4, none6: from all of both subnets, the IPv4, the IPv6 subnet (repeatable)',
      texts,
    )
    .option('--allow-overlap', 'the subnets may lie on routes, addresses and resolvers of nodes')
    .option('--dry-run', 'print what would become of it, and change nothing')
    .option('--wait', 'return when every live agent has applied it (at most --timeout)')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl update web --subnet 10.0.8.0/23
  overlayctl update web --mtu 1400 --wait
  overlayctl update web --label team=shop --label-rm owner
  overlayctl update web --ip-range none`,
    )
    .action(run(update))
}

async function update(context: Context, name: string, options: UpdateOptions): Promise<number> {
  const { dryRun = false, wait, ...changes } = options
  if (wait && dryRun) throw new UsageError(nothingToWaitFor)
  const { updateRequest } = await import('../requests/update.ts')
  const wish = updateRequest(name, changes)
  const request = changes.ipRange?.includes('none') ? await withFamiliesOf(context, wish) : wish
  const since = performance.now()
  const { network, revision, changed } = await context.controller.ask((client, call) =>
    client.service(NetworksService).update({ ...request, dryRun }, call),
  )
  if (!network) throw new OverlayError('internal', 'the controller answered without a network')
  if (dryRun && changed) context.note('dry run: nothing was changed')
  if (!changed) context.note(`nothing to change: network ${network.name} is so already`)
  if (wait) await waitApplied(context, { name: network.name, revision, is: 'is changed', since })
  await printOne(context, networkView, network)
  return exitCode.done
}

/** `none` speaks of the subnets that there are; a family that the network has not would be refused. */
async function withFamiliesOf(context: Context, request: UpdateNetworkRequest): Promise<UpdateNetworkRequest> {
  const { subnets } = await context.controller.ask((client, call) =>
    client.service(NetworksService).get({ name: request.name, maxEndpoints: 1 }, call),
  )
  const families = subnets.map(({ cidr }): number => (cidr.includes(':') ? 6 : 4))
  return { ...request, removeIpRanges: request.removeIpRanges.filter((family) => families.includes(family)) }
}
