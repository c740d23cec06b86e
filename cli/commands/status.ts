/** overlayctl status */
import { access } from 'node:fs/promises'
import { Command } from 'commander'
import { OverlayError } from '../../lib/errors.ts'
import { AgentService, AgentStatus, ClusterStatus, ClustersService } from '../../proto/index.ts'
import { CallError } from '../connect.ts'
import type { Context, Runner } from '../context.ts'
import { exitCode } from '../exit.ts'
import { printData } from '../output.ts'
import { type Asked, type Health, statusText } from '../views/status.ts'

export function statusCommand(run: Runner): Command {
  return new Command('status')
    .summary('health of store, controller, nodes, at a glance')
    .description(
      'Shows the health of the controller, the store and the nodes, and of the agent of this host if it has one, and warns of what will hurt if it stays so: nodes that are unreachable, members of etcd that are not well, addresses that run out, subnets on routes of hosts. With -o wide also the members of etcd, and which controller is the janitor. Shows what can be reached; the exit code is 1 when the controller, the store or the local agent is not well, not for a warning. As JSON: the ClusterStatus, with the AgentStatus as "agent".',
    )
    .addHelpText(
      'after',
      `
Examples:
  overlayctl status
  overlayctl status -o json | jq .store.healthy`,
    )
    .action(run(status))
}

async function status(context: Context): Promise<number> {
  const { controller, agent, globals } = context
  const [cluster, local] = await Promise.all([
    asked(() => controller.ask((client, call) => client.service(ClustersService).getStatus({}, call))),
    socketExists(globals.agent).then((exists) =>
      exists ? asked(() => agent.ask((client, call) => client.service(AgentService).getStatus({}, call))) : undefined,
    ),
  ])
  context.signals.interrupted.throwIfAborted()
  const health: Health = {
    controllerAddress: controller.address,
    cluster: cluster.shown,
    agentPath: globals.agent,
    agent: local?.shown,
  }
  await printHealth(context, health)
  for (const error of [cluster.error, local?.error, ...problems(health)]) if (error) context.report(error)
  return exitCode.done
}

/** An agent that only root may ask is not unwell. */
async function asked<T>(ask: () => Promise<T>): Promise<{ shown: Asked<T>; error?: OverlayError }> {
  try {
    return { shown: { status: await ask() } }
  } catch (thrown) {
    const error = OverlayError.from(thrown)
    const unreached = error instanceof CallError && error.reached !== 'answered'
    if (unreached && error.code === 'permission_denied') return { shown: { error: 'not asked: only root may' } }
    return { shown: { error: `FAILED: ${unreached ? 'does not answer' : error.message}` }, error }
  }
}

/** A socket that may not be looked at counts: asking it tells why. */
async function socketExists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
  }
}

/** What was answered and is not well. */
function problems({ cluster, agent }: Health): OverlayError[] {
  const found: OverlayError[] = []
  if ('status' in cluster && !cluster.status.store?.healthy) {
    const problem = cluster.status.store?.problem || 'the controller says nothing of it'
    found.push(new OverlayError('unavailable', `the store is not healthy: ${problem}`))
  }
  if (agent && 'status' in agent && agent.status.state !== 'READY')
    found.push(
      new OverlayError('unavailable', `the agent of this host is ${agent.status.state}: ${agent.status.reason}`),
    )
  return found
}

async function printHealth(context: Context, health: Health): Promise<void> {
  const { globals, stdout, now } = context
  const cluster = 'status' in health.cluster ? health.cluster.status : undefined
  const agent = health.agent && 'status' in health.agent ? health.agent.status : undefined
  switch (globals.output) {
    case 'table':
    case 'wide':
      stdout.write(statusText(health, now(), globals.output === 'wide'))
      return
    case 'name':
      if (cluster) stdout.write(`${cluster.clusterUid}\n`)
      return
    case 'json':
    case 'yaml':
      await printData(context, {
        ...(cluster && ClusterStatus.toJson(cluster)),
        ...(agent && { agent: AgentStatus.toJson(agent) }),
      })
  }
}
