/** overlayctl cluster */
import { Command } from 'commander'
import type { Runner } from '../../context.ts'
import { backupCommand, restoreCommand } from './backup.ts'
import { certsCommand } from './certs.ts'
import { initCommand } from './init.ts'
import { joinCommand } from './join.ts'
import { leaveCommand } from './leave.ts'
import { loginCommand } from './login.ts'
import { clusterStatusCommand } from './status.ts'
import { tokenCommand } from './token.ts'

export function clusterCommand(run: Runner): Command {
  const command = new Command('cluster')
    .summary('make, join, secure, back up, leave')
    .description(
      'The cluster itself: which hosts are in it, who may do what, and with which certificates. "init" makes one on this host, "join" adds another host.',
    )
  for (const make of [
    initCommand,
    joinCommand,
    leaveCommand,
    clusterStatusCommand,
    tokenCommand,
    loginCommand,
    certsCommand,
    backupCommand,
    restoreCommand,
  ])
    command.addCommand(make(run))
  return command.addHelpText(
    'after',
    `
Examples:
  overlayctl cluster init                          on the first host, as root
  overlayctl cluster join 10.0.0.1:4780 --token …  on the others: the line that init prints
  overlayctl cluster status`,
  )
}
