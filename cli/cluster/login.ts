/** Enrols a person as an admin or viewer. */
import { basename, dirname, join } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import { isName } from '../../lib/names.ts'
import { personalConfig } from '../config-files.ts'
import type { Context } from '../context.ts'
import { tlsKeys } from './configs.ts'
import { enter, findDoor, readToken } from './enrol.ts'
import type { Host } from './host.ts'
import { tlsFiles } from './layout.ts'

export interface LoginOptions {
  readonly token?: string
  readonly tokenFile?: string
  readonly name?: string
  readonly replace?: boolean
  readonly config?: string
}

export interface Login {
  readonly role: string
  readonly name: string
  /** Where it is written. */
  readonly config: string
}

/**
 * The files are written once all is there; those of a former login are replaced.
 * @throws OverlayError
 */
export async function enrolPerson(
  context: Context,
  controllers: readonly string[],
  options: LoginOptions,
): Promise<Login> {
  const { host } = context
  const config = options.config ?? personalConfig(host, context.env)
  if (!config) throw new OverlayError('failed_precondition', 'you have no home directory: name a file with --config')
  const token = await readToken(context, options)
  const name = personName(context, options.name)
  const door = await findDoor(context, controllers, token)
  const directory = join(dirname(config), `${basename(config).replace(/\.ya?ml$/, '')}-tls`)
  await makeOwnDirectory(host, dirname(config))
  await makeOwnDirectory(host, directory)
  const { answer, key } = await enter(context, door, {
    name,
    roles: ['admin', 'viewer'],
    replace: options.replace ?? false,
  })
  const role = answer.identity?.role ?? ''
  const files = tlsFiles(directory)
  await host.write(files.ca, answer.authorities, { mode: 0o600 })
  await host.replacePair(files, { cert: answer.certificate, key })
  const { stringify } = await import('yaml')
  const known = answer.controllers.length > 0 ? answer.controllers : [door.address]
  const content = stringify({ controller: known.join(','), ...tlsKeys(directory) }, { lineWidth: 0 })
  await host.write(config, content, { mode: 0o600 })
  return { role, name: answer.identity?.name ?? name, config }
}

/** One that is there is not ours to change: it may be the system's, or shared. */
async function makeOwnDirectory(host: Host, path: string): Promise<void> {
  if (!host.exists(path)) await host.makeDirectory(path, { mode: 0o700 })
  if (host.canWrite(path)) return
  throw new OverlayError('permission_denied', `you cannot write into ${path}: name a file elsewhere with --config`)
}

/** As given, or the user's name with what a name cannot have made a hyphen. */
function personName({ env }: Context, given: string | undefined): string {
  const user = env['SUDO_USER'] || env['USER'] || env['LOGNAME'] || ''
  const name =
    given ??
    user
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
  if (isName(name)) return name
  throw new OverlayError(
    'invalid',
    given === undefined
      ? 'what your name is cannot be told from USER: give --name'
      : `--name "${given}": 1 to 63 lower-case letters, digits and hyphens`,
  )
}
