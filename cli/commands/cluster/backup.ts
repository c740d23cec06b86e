/** overlayctl cluster backup, restore */
import { Command } from 'commander'
import { parseAddress, parseText } from '../../arguments.ts'
import type { BackupOptions } from '../../cluster/backup.ts'
import type { RestoreOptions } from '../../cluster/restore.ts'
import type { Context, Runner } from '../../context.ts'
import { exitCode } from '../../exit.ts'

interface Flags {
  /** False with --without-key. */
  readonly withoutKey?: boolean
}

export function backupCommand(run: Runner): Command {
  return new Command('backup')
    .summary('write all that the cluster knows to a file')
    .description(
      "Writes etcd's data, the authorities and the key that opens them to a tar file, for root only: who has it can make himself anybody in the cluster. To be run on a host of the control plane; nothing is interrupted.",
    )
    .argument('<file>', 'a file that is not there yet', parseText)
    .option('--without-key', 'leave the sealing key out; the restore then needs it from elsewhere')
    .addHelpText('after', '\nExamples:\n  overlayctl cluster backup /root/overlay-2026-03-02.tar')
    .action(
      run((context: Context, file: string, { withoutKey = false }: Flags) =>
        backup(context, file, { withKey: !withoutKey }),
      ),
    )
}

export function restoreCommand(run: Runner): Command {
  return new Command('restore')
    .summary('make the control plane anew from a backup')
    .description(
      'Makes the control plane anew on this host, which is fresh or was of the control plane and is stopped. The data and the authorities are those of the backup, so that the other hosts keep their certificates. What was here before is kept beside. With the address of a host that is lost, the other hosts find it again by themselves.',
    )
    .argument('<file>', 'as "cluster backup" has written it', parseText)
    .option('--advertise <address>', 'the address of this host that the others dial', parseAddress)
    .option('--name <name>', "the node's name (default: the host's)", parseText)
    .option('--sealing-key <file>', 'of a backup without it', parseText)
    .addHelpText('after', '\nExamples:\n  overlayctl cluster restore /root/overlay-2026-03-02.tar --advertise 10.0.0.1')
    .action(run(restore))
}

async function backup(context: Context, file: string, options: BackupOptions): Promise<number> {
  const { backupCluster } = await import('../../cluster/backup.ts')
  const { clusterUid, revision } = await backupCluster(context, file, options)
  context.stdout.write(`saved cluster ${clusterUid} at revision ${revision} to ${file}\n`)
  if (!options.withKey) context.note('the sealing key is not in it: keep a copy of it elsewhere')
  return exitCode.done
}

async function restore(context: Context, file: string, options: RestoreOptions): Promise<number> {
  const { restoreCluster } = await import('../../cluster/restore.ts')
  const { controller, manifest, aside } = await restoreCluster(context, file, options)
  for (const path of aside) context.note(`what was there before is in ${path}`)
  context.stdout.write(`The control plane is back at ${controller}, as of ${manifest.createdAt}. What has happened since is not known to it:
agents that know more hold, and remove nothing, until they are told that this is meant so:

  overlayctl node resync --all

Hosts whose agents do not find it, because its address is another now (overlayctl node ls):
put https://ADDRESS:2379 of this host as "etcd" into /etc/overlay/agent.yaml there, and restart overlay-agent.
Other hosts of the control plane: overlayctl cluster leave --force --destroy there, then join --control-plane again.
`)
  return exitCode.done
}
