/** overlayctl ipam show, ipam check, ipam release, ipam history */
import { Command } from 'commander'
import { hasCode } from '../../lib/errors.ts'
import { mapParallel } from '../../lib/parallel.ts'
import {
  IpamService,
  NetworksService,
  ReleaseAddressRequest,
  ReleaseAddressResponse,
  ShowIpamResponse,
} from '../../proto/index.ts'
import { parseAddress, parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { forEachName } from '../each.ts'
import { exitCode } from '../exit.ts'
import { printData, printList } from '../output.ts'
import { allPages } from '../pages.ts'
import { tableText } from '../table.ts'
import { type ShownSubnet, subnetColumns, subnetsOf, tenureView } from '../views/ipam.ts'
import { ipamCheckCommand } from './ipam-check.ts'

/** Networks that are asked for at a time. */
const atOnce = 8

export function ipamCommand(run: Runner): Command {
  return new Command('ipam')
    .summary('see, check and mend who owns which address')
    .description(
      'Addresses: how the subnets of networks are used, whether what the store, the endpoints and the hosts say of them agrees, who held one when, and giving free what nobody uses.',
    )
    .addCommand(showCommand(run))
    .addCommand(ipamCheckCommand(run))
    .addCommand(releaseCommand(run))
    .addCommand(historyCommand(run))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl ipam show web
  overlayctl ipam check --repair
  overlayctl ipam history --ip 10.0.9.7`,
    )
}

function showCommand(run: Runner): Command {
  return new Command('show')
    .summary('how subnets are used')
    .description(
      'Shows how many addresses of each subnet are used, reserved, in quarantine and free: of all networks as a table; of one as a map of its subnets, a character per address or, in large subnets, per block of addresses. As JSON: the ShowIpamResponse; a list of them without a network.',
    )
    .argument('[network]', 'name of a network, or the beginning of its uid', parseText)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl ipam show
  overlayctl ipam show web
  overlayctl ipam show web -o json | jq '.subnets[].usage'`,
    )
    .action(
      run((context: Context, network?: string) => (network === undefined ? showAll(context) : show(context, network))),
    )
}

function releaseCommand(run: Runner): Command {
  return new Command('release')
    .summary('free addresses that nobody uses')
    .description(
      'Frees addresses that are in quarantine, reserved, or owned by nobody that there is. One that is in use is refused: detach its endpoint. Goes on past addresses that fail; the exit code is 1 then.',
    )
    .argument('<network>', 'name of the network, or the beginning of its uid', parseText)
    .argument('<address...>', 'IPv4 or IPv6 addresses', repeatable(parseAddress))
    .addHelpText(
      'after',
      `
Examples:
  overlayctl ipam release web 10.0.9.7
  overlayctl ipam release web 10.0.9.7 fd00:9::7`,
    )
    .action(run(release))
}

function historyCommand(run: Runner): Command {
  return new Command('history')
    .summary('who held an address, and when')
    .description(
      'Shows which endpoints held an address, the last one first, from the journal: the last 16 of each address, of 30 days at most, as long as the network exists. Without --network, in all networks.',
    )
    .requiredOption('--ip <address>', 'the address', parseAddress)
    .option('--network <name>', 'only in this network', parseText)
    .addHelpText(
      'after',
      `
Examples:
  overlayctl ipam history --ip 10.0.9.7
  overlayctl ipam history --ip fd00:9::7 --network web -o json`,
    )
    .action(run(history))
}

function ask({ controller }: Context, network: string): Promise<ShowIpamResponse> {
  return controller.ask((client, call) => client.service(IpamService).show({ network }, call))
}

async function show(context: Context, network: string): Promise<number> {
  const shown = await ask(context, network)
  const { output } = context.globals
  if (output === 'json' || output === 'yaml') await printData(context, ShowIpamResponse.toJson(shown))
  else if (output === 'name') printSubnets(context, subnetsOf(shown))
  else {
    // Not loaded by the other commands: it brings the arithmetic of addresses.
    const { ipamMapText } = await import('../views/ipam-map.ts')
    context.stdout.write(ipamMapText(shown, { wide: output === 'wide' }))
  }
  return exitCode.done
}

async function showAll(context: Context): Promise<number> {
  const networks = await allPages(
    (pageToken) => context.controller.ask((client, call) => client.service(NetworksService).list({ pageToken }, call)),
    (page) => page.networks,
  )
  const shown = (await mapParallel(networks, atOnce, ({ name }) => askUnlessGone(context, name))).flat()
  const { output } = context.globals
  if (output === 'json' || output === 'yaml')
    await printData(
      context,
      shown.map((one) => ShowIpamResponse.toJson(one)),
    )
  else printSubnets(context, shown.flatMap(subnetsOf))
  return exitCode.done
}

function printSubnets(context: Context, subnets: readonly ShownSubnet[]): void {
  const { stdout, now } = context
  const { output } = context.globals
  if (output === 'name') stdout.write(subnets.map(({ usage }) => `${usage.cidr}\n`).join(''))
  else if (subnets.length === 0)
    context.note('no networks yet: make one with "overlayctl create --subnet 10.0.9.0/24 web"')
  else stdout.write(tableText(subnetColumns, subnets, { now: now(), wide: output === 'wide' }))
}

/** A network may be removed while the others are asked for. */
async function askUnlessGone(context: Context, network: string): Promise<ShowIpamResponse[]> {
  try {
    return [await ask(context, network)]
  } catch (error) {
    if (hasCode(error, 'not_found')) return []
    throw error
  }
}

async function release(context: Context, network: string, addresses: readonly string[]): Promise<number> {
  const released = await forEachName(context, addresses, async (address) => {
    const answer = await context.controller.ask((client, call) =>
      client.service(IpamService).release({ network, address }, call),
    )
    return { address, answer }
  })
  const { globals, stdout } = context
  if (globals.output === 'json' || globals.output === 'yaml')
    await printData(
      context,
      released.map(({ address, answer }) => ({
        ...ReleaseAddressRequest.toJson(ReleaseAddressRequest.create({ network, address })),
        ...ReleaseAddressResponse.toJson(answer),
      })),
    )
  else if (globals.output === 'name') stdout.write(released.map(({ address }) => `${address}\n`).join(''))
  else
    stdout.write(
      released
        .map(({ address, answer }) => `released ${address} of network ${network}: it was ${answer.was}\n`)
        .join(''),
    )
  return exitCode.done
}

async function history(context: Context, { ip, network = '' }: { ip: string; network?: string }): Promise<number> {
  const { tenures } = await context.controller.ask((client, call) =>
    client.service(IpamService).history({ address: ip, network }, call),
  )
  await printList(context, tenureView, tenures)
  return exitCode.done
}
