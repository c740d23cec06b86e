/** overlayctl cluster status */
import { Command } from 'commander'
import { OverlayError } from '../../../lib/errors.ts'
import { ClusterStatus, ClustersService, SecurityService, SecurityStatus } from '../../../proto/index.ts'
import type { Context, Runner } from '../../context.ts'
import { exitCode } from '../../exit.ts'
import { printData } from '../../output.ts'
import { certificateRows, clusterText } from '../../views/security.ts'

export function clusterStatusCommand(run: Runner): Command {
  return new Command('status')
    .summary('control plane, authorities, certificates, access to etcd')
    .description(
      'Shows the members of the control plane and how they are, the authorities and how far a rotation is, certificates that end soon, and whether etcd\'s users and roles are as they should be. The exit code is 1 when something is not. As JSON: the SecurityStatus as "security" and the ClusterStatus as "cluster".',
    )
    .addHelpText(
      'after',
      `
Examples:
  overlayctl cluster status
  overlayctl cluster status -o json | jq .security.members`,
    )
    .action(run(status))
}

async function status(context: Context): Promise<number> {
  const { controller, globals, stdout } = context
  const security = await controller.ask((client, call) => client.service(SecurityService).get({}, call))
  const cluster = await controller.ask((client, call) => client.service(ClustersService).getStatus({}, call))
  switch (globals.output) {
    case 'json':
    case 'yaml':
      await printData(context, { security: SecurityStatus.toJson(security), cluster: ClusterStatus.toJson(cluster) })
      break
    case 'name':
      stdout.write(`${cluster.clusterUid}\n`)
      break
    case 'table':
    case 'wide':
      stdout.write(clusterText(security, cluster, context.now()))
  }
  for (const problem of problemsOf(security, cluster, context.now()))
    context.report(new OverlayError('failed_precondition', problem))
  return exitCode.done
}

function problemsOf(security: SecurityStatus, { store }: ClusterStatus, now: Date): readonly string[] {
  return [
    ...(store?.healthy ? [] : [`the store is not well: ${store?.problem || 'the controller says nothing of it'}`]),
    ...security.members
      .filter(({ problem }) => problem !== '')
      .map(({ name, problem }) => `member ${name || 'without a name'} of the control plane is not well: ${problem}`),
    ...certificateRows(security, now)
      .filter(({ problem }) => problem === 'expired')
      .map(({ holder, id }) => `the certificate of ${holder} (${id}) has expired`),
    ...security.problems,
  ]
}
