/** overlayctl cluster leave */
import { Command } from 'commander'
import type { LeaveOptions } from '../../cluster/leave.ts'
import type { Context, Runner } from '../../context.ts'
import { exitCode } from '../../exit.ts'

export function leaveCommand(run: Runner): Command {
  return new Command('leave')
    .summary('take this host out of its cluster')
    .description(
      'Takes this host out: the cluster forgets the node and, of a host of the control plane, the member of etcd; units are stopped and disabled; devices, rules, files and secrets of the cluster are removed from the host. Refused while workloads are attached here, and on the last host of the control plane.',
    )
    .option('--force', 'cut workloads off; go on without the cluster when it cannot be reached')
    .option('--destroy', 'end the cluster, and all that it knows, with its last host')
    .addHelpText('after', '\nExamples:\n  overlayctl cluster leave\n  overlayctl cluster leave --destroy')
    .action(run(leave))
}

async function leave(context: Context, options: LeaveOptions): Promise<number> {
  const { leaveCluster } = await import('../../cluster/leave.ts')
  const { node, remaining } = await leaveCluster(context, options)
  context.stdout.write(
    `${node} is no part of the cluster any more${options.destroy ? ', and the cluster has ended' : ''}\n`,
  )
  if (remaining.length > 0) context.stdout.write(`Left to do:\n${remaining.map((line) => `  ${line}\n`).join('')}`)
  return exitCode.done
}
