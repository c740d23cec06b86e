/** overlayctl ipam check, with --repair */
import { Command } from 'commander'
import { OverlayError, UsageError } from '../../lib/errors.ts'
import type { CallOptions } from '../../lib/rpc-client.ts'
import { CheckIpamResponse, type Finding, IpamService, RepairIpamResponse } from '../../proto/index.ts'
import { parseText } from '../arguments.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printData } from '../output.ts'
import { findingName, findingsText, outcomesText, planText } from '../views/ipam.ts'
import { countText } from '../views/text.ts'

interface CheckOptions {
  readonly repair?: boolean
  readonly yes?: boolean
}

export function ipamCheckCommand(run: Runner): Command {
  return new Command('check')
    .summary('find what contradicts itself')
    .description(
      'Compares owners, endpoints, and the addresses on the links of the hosts: finds owners without endpoints, endpoints without owners, duplicates, addresses on links that nobody owns, and leftovers. The exit code is 1 when there is any. With --repair it shows what it would do, asks, and does it; the exit code is 1 then when any is left. Checking and repairing may each take 120 s, unless --timeout says otherwise. As JSON: the CheckIpamResponse; with --repair also "outcomes".',
    )
    .argument('[network]', 'only this network: its name, or the beginning of its uid', parseText)
    .option('--repair', 'mend what was found, after asking')
    .option('-y, --yes', 'with --repair: do not ask')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl ipam check
  overlayctl ipam check web --repair
  overlayctl ipam check --repair --yes -o json`,
    )
    .action(run(check))
}

async function check(context: Context, network = '', { repair = false, yes = false }: CheckOptions): Promise<number> {
  if (yes && !repair)
    throw new UsageError('--yes: without --repair nothing is asked: leave it out, or give --repair as well')
  if (repair && !yes && !context.ask)
    throw new OverlayError(
      'failed_precondition',
      '--repair asks before it changes anything, and standard input is no terminal: give --yes to repair without a question',
    )
  const checked = await context.controller.ask(
    (client, call) => client.service(IpamService).check({ network }, call),
    patience(context),
  )
  for (const missed of checked.nodesMissed) context.note(`warning: the links of a node were not looked at: ${missed}`)
  return repair ? repairAll(context, checked, yes) : printFindings(context, checked)
}

async function printFindings(context: Context, checked: CheckIpamResponse): Promise<number> {
  const { findings } = checked
  const { output } = context.globals
  if (isForPeople(context)) {
    if (findings.length > 0) context.stdout.write(findingsText(findings))
    context.stdout.write(summaryText(checked))
  } else if (output === 'name') context.stdout.write(findings.map((finding) => `${findingName(finding)}\n`).join(''))
  else await printData(context, CheckIpamResponse.toJson(checked))
  if (findings.length > 0)
    throw new OverlayError(
      'failed_precondition',
      `${countText(findings.length, 'finding')}: see what can be done with "overlayctl ipam check --repair"`,
    )
  return exitCode.done
}

/** The plan and the question come before anything is changed. */
async function repairAll(context: Context, checked: CheckIpamResponse, yes: boolean): Promise<number> {
  const { findings } = checked
  if (findings.length === 0) return printFindings(context, checked)
  const plan = planText(findings)
  if (isForPeople(context)) context.stdout.write(`${plan}${summaryText(checked)}`)
  else context.note(plan.trimEnd())
  if (!yes && !(await agreed(context, findings))) {
    context.note('nothing was repaired')
    return exitCode.failed
  }
  const repaired = await context.controller.ask(
    (client, call) => client.service(IpamService).repair({ findings }, call),
    patience(context),
  )
  return printOutcomes(context, checked, repaired)
}

/** Also where nothing can be done by itself as it stands: that may be otherwise by then. */
async function agreed(context: Context, findings: readonly Finding[]): Promise<boolean> {
  const repairable = findings.filter(({ repair }) => repair !== '').length
  const question =
    repairable > 0
      ? `Repair ${repairable} of ${countText(findings.length, 'finding')}? [y/N] `
      : 'None can be repaired by itself. Tell what to do about each? [y/N] '
  const answer = await context.ask?.(question, context.signals.interrupted)
  return /^y(es)?$/i.test(answer?.trim() ?? '')
}

async function printOutcomes(context: Context, checked: CheckIpamResponse, repaired: RepairIpamResponse) {
  const { findings } = checked
  const { outcomes } = repaired
  const left = findings.filter((_, at) => !['REPAIRED', 'GONE'].includes(outcomes[at]?.state ?? ''))
  if (isForPeople(context)) context.stdout.write(`\n${outcomesText(findings, outcomes)}`)
  else if (context.globals.output === 'name')
    context.stdout.write(left.map((finding) => `${findingName(finding)}\n`).join(''))
  else await printData(context, { ...CheckIpamResponse.toJson(checked), ...RepairIpamResponse.toJson(repaired) })
  if (left.length > 0)
    throw new OverlayError(
      'failed_precondition',
      `${left.length} of ${countText(findings.length, 'finding')} left: see above why`,
    )
  return exitCode.done
}

/** `checked 2 networks, 254 addresses, and the links of 3 nodes: no findings`. */
function summaryText({ findings, networksChecked, addressesChecked, nodesChecked }: CheckIpamResponse): string {
  const found = findings.length === 0 ? 'no findings' : countText(findings.length, 'finding')
  const addresses = addressesChecked === 1 ? '1 address' : `${addressesChecked} addresses`
  return `checked ${countText(networksChecked, 'network')}, ${addresses}, and the links of ${countText(nodesChecked.length, 'node')}: ${found}\n`
}

/** Tens of thousands of endpoints, looked at twice, take their time. */
function patience({ globals }: Context): CallOptions {
  return { timeout: globals.longTimeout }
}

function isForPeople({ globals: { output } }: Context): boolean {
  return output === 'table' || output === 'wide'
}
