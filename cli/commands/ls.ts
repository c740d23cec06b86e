/** overlayctl ls */
import { Command } from 'commander'
import type { Network } from '../../proto/index.ts'
import { filterExamples, parseFilter, repeatable } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printList } from '../output.ts'
import { networkView, networkViewInFull } from '../views/network.ts'
import { shortId } from '../views/text.ts'
import { listNetworks } from './list-networks.ts'

interface LsOptions {
  readonly filter?: readonly string[]
  readonly quiet?: boolean
  /** False with --no-trunc. */
  readonly trunc: boolean
  readonly watch?: boolean
}

export function lsCommand(run: Runner): Command {
  return new Command('ls')
    .summary('list networks')
    .description(
      `Lists networks by name. With -o wide also gateways, labels and options. Filters: ${Object.values(filterExamples).join(', ')}. Of several values of one key one must fit, of label all; of different keys all. With --watch the table is painted again at each change until Ctrl-C; into a pipe or file, and with -o json, yaml or name, each network is printed as it comes, changes and goes.`,
    )
    .option('--filter <key=value>', 'only networks that fit (repeatable)', repeatable(parseFilter(allFilters)))
    .option('-q, --quiet', 'only ids, a line each')
    .option('--no-trunc', 'whole ids, not their first 12 digits')
    .option('-w, --watch', 'go on, and show changes as they happen')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl ls
  overlayctl ls -o wide
  overlayctl ls --filter label=team=shop --filter node=host1
  overlayctl ls -q --filter dangling=true
  overlayctl ls --watch -o json`,
    )
    .action(run(ls))
}

const allFilters = Object.keys(filterExamples) as (keyof typeof filterExamples)[]

async function ls(context: Context, { filter = [], quiet, trunc, watch }: LsOptions): Promise<number> {
  if (filter.length > 0) {
    const { refuseWrongFilters } = await import('../requests/filters.ts')
    refuseWrongFilters(filter, context.now())
  }
  const idOf = ({ uid }: Network) => (trunc ? shortId(uid) : uid)
  // The count of endpoints costs the controller a question per network.
  const withStatus = !quiet && context.globals.output !== 'name'
  const list = () => listNetworks(context, { filters: [...filter], withStatus })
  const view = trunc ? networkView : networkViewInFull
  if (watch) {
    const { watchList } = await import('../live/watch-list.ts')
    await watchList(context, {
      list,
      concerns: (event) => Boolean(event.network ?? event.endpoint),
      key: ({ uid }) => uid,
      view,
      noun: 'network',
      ...(quiet && { line: idOf }),
    })
  }
  const networks = await list()
  if (quiet) context.stdout.write(networks.map((network) => `${idOf(network)}\n`).join(''))
  else await printList(context, view, networks)
  return exitCode.done
}
