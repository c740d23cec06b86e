/** overlayctl diff */
import { Command } from 'commander'
import { Network } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import type { WantedNetwork } from '../manifest/index.ts'
import { printData } from '../output.ts'
import { applyManifests, type Outcome } from './apply.ts'

export function diffCommand(run: Runner): Command {
  return new Command('diff')
    .summary('show what "apply" would change')
    .description(
      'Shows what "apply" with the same files would change, by asking the controller, which changes nothing: a line "+ network NAME" or "~ network NAME" for each network that would be created or updated, and below it the values that go (-) and come (+). The exit code is 0 when nothing would change, and 1 when something would or is refused.',
    )
    .requiredOption(
      '-f, --file <path>',
      'manifest of networks, YAML or JSON; -: standard input (repeatable)',
      repeatable(parseText),
    )
    .addHelpText(
      'after',
      `
Examples:
  overlayctl diff -f networks.yaml
  overlayctl diff -f networks.yaml && echo all is so already`,
    )
    .action(run(diff))
}

async function diff(context: Context, { file }: { readonly file: readonly string[] }): Promise<number> {
  const { differencesText, fieldDifferences } = await import('../manifest/index.ts')
  const { output } = context.globals
  const chosen = await chosenText()
  const outcomes = await applyManifests(context, file, true, ({ outcome, before, network }, _, wanted) => {
    if (outcome === 'unchanged') return
    if (output === 'name') context.stdout.write(`${network.name}\n`)
    else if (output === 'table' || output === 'wide')
      context.stdout.write(
        differencesText(network.name, !before, fieldDifferences(before, network), (field) =>
          before ? '' : chosen(field, wanted),
        ),
      )
  })
  const differing = outcomes.filter(({ outcome }) => outcome !== 'unchanged')
  if (output === 'json' || output === 'yaml') await printData(context, differing.map(differenceJson))
  return differing.length > 0 ? exitCode.failed : exitCode.done
}

function differenceJson({ outcome, before, network }: Outcome) {
  return { outcome, ...(before && { before: Network.toJson(before) }), after: Network.toJson(network) }
}

/** A dry run can only guess what the controller will choose. */
async function chosenText() {
  const { familyText } = await import('../manifest/index.ts')
  return (field: string, { vni, mtu, subnets = [] }: WantedNetwork): string => {
    const [, family] = /^(IPv4|IPv6) (?:subnet|gateway)$/.exec(field) ?? []
    const named = family
      ? subnets.some(({ cidr }) => familyText(cidr.text) === family)
      : !(field === 'vni' && vni === undefined) && !(field === 'mtu' && mtu === undefined)
    return named ? '' : ' (chosen at creation)'
  }
}
