/** overlayctl cluster certs ls, renew, rotate-ca, revoke */
import { Command } from 'commander'
import { OverlayError } from '../../../lib/errors.ts'
import { pause } from '../../../lib/retry.ts'
import { Identity, SecurityService, SecurityStatus } from '../../../proto/index.ts'
import { parseText, repeatable } from '../../arguments.ts'
import { identityFiles, keepIdentity, renewIdentity } from '../../cluster/renew.ts'
import type { Context, Runner } from '../../context.ts'
import { forEachName } from '../../each.ts'
import { exitCode } from '../../exit.ts'
import { printData, printList } from '../../output.ts'
import { certificateColumns, certificateRows, remainingText } from '../../views/security.ts'

/** Milliseconds between two looks at how far a rotation is. */
const interval = 500

interface RotateOptions {
  readonly force?: boolean
  readonly wait?: boolean
}

export function certsCommand(run: Runner): Command {
  return new Command('certs')
    .summary('what expires when; renew, rotate, revoke')
    .description(
      'Certificates. All are renewed by themselves at two thirds of their life: by agents and controllers, and by overlayctl when it is used.',
    )
    .addCommand(lsCommand(run), { isDefault: true })
    .addCommand(renewCommand(run))
    .addCommand(rotateCommand(run))
    .addCommand(revokeCommand(run))
    .addHelpText('after', '\nExamples:\n  overlayctl cluster certs\n  overlayctl cluster certs rotate-ca --wait')
}

function lsCommand(run: Runner): Command {
  return new Command('ls')
    .summary('what expires when')
    .description(
      "Lists the cluster's authorities and every identity with when its certificate ends, and the certificates in files of this host that you may read. As JSON: the SecurityStatus.",
    )
    .addHelpText('after', '\nExamples:\n  overlayctl cluster certs ls\n  overlayctl cluster certs ls -o json')
    .action(run(list))
}

function renewCommand(run: Runner): Command {
  return new Command('renew')
    .summary('renew the certificate that overlayctl uses')
    .description('Renews the certificate of the admin or viewer that overlayctl is here, with a new key.')
    .addHelpText('after', '\nExamples:\n  overlayctl cluster certs renew')
    .action(run(renew))
}

function rotateCommand(run: Runner): Command {
  return new Command('rotate-ca')
    .summary('bring in a new authority, take the old one out')
    .description(
      'Replaces the authority of the cluster, step by step, while all goes on: first everybody learns to trust the new one, then everybody gets a certificate of it, then the old one goes. Who is away holds that up; --force goes on without him, and he has to join again. Called again it tells how far it is.',
    )
    .option('--force', 'take the next step without those that are away')
    .option('--wait', 'until the old authority is gone')
    .addHelpText('after', '\nExamples:\n  overlayctl cluster certs rotate-ca --wait')
    .action(run(rotate))
}

function revokeCommand(run: Runner): Command {
  return new Command('revoke')
    .summary('refuse the certificates of an identity from now on')
    .description(
      'Makes all certificates of an identity worthless at once, connections that are open among them. A node is better removed: overlayctl node rm. Goes on past those that fail; the exit code is 1 then.',
    )
    .argument('<identity...>', 'ids, beginnings of ids, or ROLE/NAME', repeatable(parseText))
    .addHelpText('after', '\nExamples:\n  overlayctl cluster certs revoke admin/anna')
    .action(run(revoke))
}

async function list(context: Context): Promise<number> {
  const { globals, now } = context
  const security = await context.controller.ask((client, call) => client.service(SecurityService).get({}, call))
  if (globals.output === 'json' || globals.output === 'yaml') {
    await printData(context, SecurityStatus.toJson(security))
    return exitCode.done
  }
  const { fileRows } = await import('../../cluster/certificate-files.ts')
  const rows = [...certificateRows(security, now()), ...fileRows(context)]
  await printList(
    context,
    {
      json: () => ({}),
      name: ({ holder, id }) => id || holder,
      columns: certificateColumns,
      hint: 'there are no certificates',
    },
    rows,
  )
  return exitCode.done
}

async function renew(context: Context): Promise<number> {
  const files = identityFiles(context)
  if (!files)
    throw new OverlayError(
      'failed_precondition',
      'overlayctl has no identity here whose certificate is to be renewed: get one with overlayctl cluster login',
    )
  const { role, name } = files.identity
  if (role !== 'admin' && role !== 'viewer')
    throw new OverlayError(
      'failed_precondition',
      `overlayctl is ${role} ${name} here: its ${role === 'node' ? 'agent' : 'controller'} renews that certificate by itself`,
    )
  const { notAfter } = await renewIdentity(context, files)
  context.stdout.write(`the certificate of ${role}/${name} ends ${remainingText(notAfter, context.now())}\n`)
  return exitCode.done
}

async function rotate(context: Context, { force = false, wait = false }: RotateOptions): Promise<number> {
  const { controller, note, signals } = context
  let security = await controller.ask((client, call) =>
    client.service(SecurityService).rotateAuthority({ force }, call),
  )
  let before = ''
  for (;;) {
    const progress = progressText(security)
    if (progress !== before) note(progress)
    before = progress
    await keepIdentity(context)
    if (!wait || isSettled(security)) break
    await pause(interval, signals.interrupted)
    signals.interrupted.throwIfAborted()
    security = await controller.ask((client, call) => client.service(SecurityService).get({}, call))
  }
  const { output } = context.globals
  if (output === 'json' || output === 'yaml') await printData(context, SecurityStatus.toJson(security))
  return exitCode.done
}

function isSettled({ authorities }: SecurityStatus): boolean {
  return authorities.length === 1 && authorities[0]?.state === 'ACTIVE'
}

function progressText({ authorities, waitingFor }: SecurityStatus): string {
  const states = authorities.map(({ id, state }) => `${id} ${state.toLowerCase()}`).join(', ')
  return `authorities: ${states}${waitingFor.length > 0 ? `; waiting for ${waitingFor.join(', ')}` : ''}`
}

async function revoke(context: Context, identities: readonly string[]): Promise<number> {
  const revoked = await forEachName(context, identities, (identity) =>
    context.controller.ask((client, call) => client.service(SecurityService).revoke({ identity }, call)),
  )
  const { output } = context.globals
  if (output === 'json' || output === 'yaml')
    await printData(
      context,
      revoked.map((identity) => Identity.toJson(identity)),
    )
  else
    for (const { role, name, id } of revoked)
      context.stdout.write(output === 'name' ? `${id}\n` : `revoked ${role}/${name} (${id})\n`)
  return exitCode.done
}
