/** overlayctl verify */
import { Command } from 'commander'
import { OverlayError, UsageError } from '../../lib/errors.ts'
import { mapParallel } from '../../lib/parallel.ts'
import type { CallOptions } from '../../lib/rpc-client.ts'
import { AgentService, NodesService, Verification } from '../../proto/index.ts'
import { parseText, repeatable } from '../arguments.ts'
import { CallError } from '../connect.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printData } from '../output.ts'
import { printable } from '../table.ts'
import { countText } from '../views/text.ts'
import { cleanText, deviationNames, verificationText } from '../views/verification.ts'

/** Nodes that are asked at once. */
const atOnce = 16

export interface VerifyOptions {
  readonly node?: readonly string[]
  readonly local?: boolean
}

export function verifyCommand(run: Runner): Command {
  return new Command('verify')
    .summary('compare the kernels of nodes with the store')
    .description(
      'Has the agents of all nodes, or of those named, compare what their kernels have with what the store says, and shows what differs as a diff: "-" as it was found, "+" as it should be, an object a hunk. Nothing is changed: agents mend by themselves what they may; where one does not, its hunk says why. An endpoint whose sandbox is gone, and that waits for it in its grace, is told on standard error. The exit code is 0 when all nodes were asked, all is as it should be, and no agent is in doubt about the store; 1 otherwise. A node that cannot be asked is named on standard error. As JSON: a list of Verifications.',
    )
    .option('--node <name>', 'this node: its name, or the beginning of its uid (repeatable)', repeatable(parseText))
    .option('--local', 'ask the local agent itself: also when no controller can be reached')
    .addHelpText(
      'after',
      `
Examples:
  overlayctl verify
  overlayctl verify --node host1 --node host2
  overlayctl verify --local
  overlayctl verify -o json | jq '.[].deviations[].object'`,
    )
    .action(run(verify))
}

async function verify(context: Context, options: VerifyOptions): Promise<number> {
  const found = options.local ? [await askLocalAgent(context, options)] : await askNodes(context, options.node)
  for (const one of found) warn(context, one)
  await print(context, found)
  const differing = found.filter(({ deviations }) => deviations.length > 0)
  const objects = differing.reduce((sum, { deviations, more }) => sum + deviations.length + more, 0)
  if (objects > 0)
    throw new OverlayError(
      'failed_precondition',
      `${countText(objects, 'object')} on ${countText(differing.length, 'node')} ${objects === 1 ? 'is' : 'are'} not as the store says: see what the agent would do with "overlayctl plan --node ${differing[0]?.node}"`,
    )
  return found.some(({ held }) => held) ? exitCode.failed : exitCode.done
}

async function askLocalAgent(context: Context, { node }: VerifyOptions): Promise<Verification> {
  if (node) throw new UsageError('--local: the local agent has one node: leave --node out, or --local')
  return context.agent.ask((client, call) => client.service(AgentService).verify({}, call), patience(context))
}

/** All nodes unless some are named. Those that cannot be asked are told of, and left out. */
async function askNodes(context: Context, named: readonly string[] | undefined): Promise<readonly Verification[]> {
  const names = [...new Set(named ?? (await nodeNames(context)))]
  const found = await mapParallel(names, atOnce, async (name) => {
    try {
      return await askNode(context, name)
    } catch (error) {
      if (context.signals.interrupted.aborted || isNobody(error)) throw error
      context.report(error)
      return undefined
    }
  })
  return found.filter((one) => one !== undefined)
}

/** No controller answers: the next node would fare no better. */
function isNobody(error: unknown): boolean {
  return error instanceof CallError && error.reached === 'never'
}

/** Of what is no difference that the agent mends: why it mends nothing, and what it waits for. */
export function warn(context: Context, { node, held, awaited }: Verification): void {
  for (const line of [...(held ? [held] : []), ...awaited]) context.note(printable(`warning: node ${node}: ${line}`))
}

/** What the node's agent finds, asked through the controller. */
export async function askNode(context: Context, name: string): Promise<Verification> {
  return context.controller.ask(
    (client, call) => client.service(NodesService).verify({ name }, call),
    patience(context),
  )
}

async function nodeNames({ controller }: Context): Promise<readonly string[]> {
  const { nodes } = await controller.ask((client, call) => client.service(NodesService).list({}, call))
  return nodes.map(({ name }) => name)
}

async function print(context: Context, found: readonly Verification[]): Promise<void> {
  const { globals, stdout } = context
  if (globals.output === 'json' || globals.output === 'yaml')
    await printData(
      context,
      found.map((one) => Verification.toJson(one)),
    )
  else if (globals.output === 'name')
    stdout.write(
      found
        .flatMap(deviationNames)
        .map((name) => `${name}\n`)
        .join(''),
    )
  else {
    stdout.write(found.map(verificationText).join(''))
    const isClean = found.every(({ deviations, held }) => deviations.length === 0 && !held)
    if (isClean && found.length > 0) stdout.write(cleanText(found))
  }
}

/** A host with tens of thousands of objects, asked on a busy day, takes its time. */
function patience({ globals }: Context): CallOptions {
  return { timeout: globals.longTimeout }
}
