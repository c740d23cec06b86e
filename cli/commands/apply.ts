/** overlayctl apply */
import { Command } from 'commander'
import { OverlayError, UsageError } from '../../lib/errors.ts'
import { Network, NetworksService } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import type { Step, WantedNetwork } from '../manifest/index.ts'
import { printData } from '../output.ts'
import { notYetMade } from '../views/network.ts'
import { listNetworks } from './list-networks.ts'
import { nothingToWaitFor, waitApplied } from './wait-applied.ts'

interface ApplyOptions {
  readonly file: readonly string[]
  readonly dryRun?: boolean
  readonly wait?: boolean
}

/** What became of a network, or would. */
export interface Outcome {
  readonly outcome: 'created' | 'updated' | 'unchanged'
  /** As it was; undefined: it was not there. */
  readonly before: Network | undefined
  readonly network: Network
  /** Of its record, as far as it was asked for anything. */
  readonly revision?: number
}

export function applyCommand(run: Runner): Command {
  return new Command('apply')
    .summary('make networks as manifests describe them')
    .description(
      'Makes networks as manifests describe them: one that is not there is created, one that differs is updated. Labels and options that a manifest names are the whole; whatever else it does not name stays. What cannot be changed is refused, and says the way out; the other networks are done, and the exit code is 1 then. When a file is wrong, nothing is changed. Takes also what "inspect" and "ls" print with -o yaml or json.',
    )
    .requiredOption(
      '-f, --file <path>',
      'manifest of networks, YAML or JSON; -: standard input (repeatable)',
      repeatable(parseText),
    )
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--wait', 'of each network, go on when every live agent has applied it (at most --timeout)')
    .addHelpText(
      'after',
      `
A manifest:
  name: web                   # all but the name may be left out
  subnets:
    - cidr: 10.0.9.0/24       # or, in short: - 10.0.9.0/24
      gateway: 10.0.9.254
      ipRange: 10.0.9.128/25  # none: choose from all of the subnet
      auxAddresses: { router: 10.0.9.2 }
  ipv6: true
  mtu: 1400
  labels: { team: shop }
  options: {}
  internal: false             # likewise multicast, eager, allowOverlap
Several in one file: documents that "---" divides, or a list.

Examples:
  overlayctl apply -f networks.yaml
  overlayctl inspect web -o yaml | overlayctl --controller 10.0.0.1:4780 apply -f -`,
    )
    .action(run(apply))
}

async function apply(context: Context, options: ApplyOptions): Promise<number> {
  const { file, dryRun = false, wait = false } = options
  if (wait && dryRun) throw new UsageError(nothingToWaitFor)
  const { output } = context.globals
  const outcomes = await applyManifests(context, file, dryRun, async ({ outcome, network, revision }, since) => {
    if (wait) await waitFor(context, network.name, revision, since)
    if (output === 'name') context.stdout.write(`${network.name}\n`)
    else if (output === 'table' || output === 'wide')
      context.stdout.write(`network ${network.name} ${outcome}${dryRun ? ' (dry run)' : ''}\n`)
  })
  if (output === 'json' || output === 'yaml')
    await printData(
      context,
      outcomes.map(({ outcome, network }) => ({ outcome, network: Network.toJson(network) })),
    )
  return exitCode.done
}

/**
 * Does, or only tries, what the manifests ask for, network by network, and goes
 * on past refusals, which it reports. `done` is told of each, and when it was
 * asked for (performance.now).
 */
export async function applyManifests(
  context: Context,
  files: readonly string[],
  dryRun: boolean,
  done: (outcome: Outcome, since: number, wanted: WantedNetwork) => void | Promise<void>,
): Promise<Outcome[]> {
  const { forEachNetwork, planStep, readManifests } = await import('../manifest/index.ts')
  const wanted = await readManifests(context, files)
  const present = new Map((await listNetworks(context, {})).map((network) => [network.name, network]))
  return forEachNetwork(context, wanted, async (one) => {
    const since = performance.now()
    const outcome = await take(context, one.name, planStep(one, present.get(one.name)), dryRun)
    await done(outcome, since, one)
    return outcome
  })
}

/** @throws OverlayError of the controller, or `failed_precondition` of the plan. */
async function take({ controller }: Context, name: string, step: Step, dryRun: boolean): Promise<Outcome> {
  switch (step.kind) {
    case 'create': {
      const { network, revision } = await controller.ask((client, call) =>
        client.service(NetworksService).create({ ...step.request, dryRun }, call),
      )
      const made = given(network)
      return { outcome: 'created', before: undefined, network: dryRun ? notYetMade(made) : made, revision }
    }
    case 'update': {
      const { network, revision, changed } = await controller.ask((client, call) =>
        client.service(NetworksService).update({ ...step.request, dryRun }, call),
      )
      const outcome = changed ? 'updated' : 'unchanged'
      return { outcome, before: step.present, network: given(network), revision }
    }
    case 'unchanged':
      return { outcome: 'unchanged', before: step.present, network: step.present }
    case 'refused':
      throw new OverlayError(
        'failed_precondition',
        `${step.faults.join('; ')}: write it as it is, or remove the network ("overlayctl rm ${name}") and apply again`,
      )
  }
}

async function waitFor(context: Context, name: string, revision: number | undefined, since: number): Promise<void> {
  // An update of nothing changes nothing, and tells the record's revision.
  const { revision: present } =
    revision === undefined
      ? await context.controller.ask((client, call) => client.service(NetworksService).update({ name }, call))
      : { revision }
  await waitApplied(context, { name, revision: present, is: 'is as described', since })
}

function given(network: Network | null): Network {
  if (!network) throw new OverlayError('internal', 'the controller answered without a network')
  return network
}
