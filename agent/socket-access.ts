/**
 * Who may talk to the agent: the owner, and the group that its socket is given
 * to. At no moment is anything more open than it ends up.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { execa } from 'execa'
import { OverlayError } from '../lib/errors.ts'
import { paths } from '../lib/paths.ts'

/** The group that is used when none is named and there is one of that name: packages make it. */
export const defaultGroup = 'overlay'

/**
 * The number of the group that the socket is for; undefined: it is for its owner alone.
 * `local`: in place of /etc/group (group(5)).
 * @throws OverlayError `failed_precondition` when a group that was named does not exist.
 */
export async function socketGroup(name: string | undefined, local = '/etc/group'): Promise<number | undefined> {
  const known = idIn(readIfThere(local), name ?? defaultGroup)
  if (known !== undefined || name === undefined) return known
  // Others are known to a directory service.
  const asked = execa('getent', ['group', name], { timeout: 10_000 })
  // It fails too where there is none.
  const found = idIn(await asked.then(({ stdout }) => stdout).catch(() => ''), name)
  if (found !== undefined) return found
  throw new OverlayError(
    'failed_precondition',
    `--socket-group ${name}: this host has no such group: make it with "groupadd --system ${name}", or name another`,
  )
}

/**
 * Makes the socket's directory, if it is not there. One of our own (that which we
 * make, and the default one, which the service manager makes) is for owner and
 * group only; somebody else's, /tmp for example, stays as it is.
 * `ours`: the default one.
 * @throws OverlayError `failed_precondition`
 */
export function prepareDirectory(
  directory: string,
  group: number | undefined,
  ours = dirname(paths.agentSocket),
): void {
  explained(directory, () => {
    const isNew = lstatSync(directory, { throwIfNoEntry: false }) === undefined
    if (isNew) mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (isNew || directory === ours) restrict(directory, group, { alone: 0o700, shared: 0o750 })
  })
}

/**
 * Runs `bind` so that what it makes is for nobody but its owner, then gives the
 * socket to the group. @throws OverlayError
 */
export async function bindRestricted(socket: string, group: number | undefined, bind: () => Promise<unknown>) {
  const before = process.umask(0o177)
  try {
    await bind()
  } finally {
    process.umask(before)
  }
  explained(socket, () => restrict(socket, group, { alone: 0o600, shared: 0o660 }))
}

/** Closed first, so that it is never another group's meanwhile. */
function restrict(path: string, group: number | undefined, modes: { alone: number; shared: number }): void {
  const { uid, gid, mode } = lstatSync(path)
  if (group !== undefined && gid === group && (mode & 0o7777) === modes.shared) return
  chmodSync(path, modes.alone)
  if (group === undefined) return
  chownSync(path, uid, group)
  chmodSync(path, modes.shared)
}

/** NAME:PASSWORD:ID:MEMBERS, a group a line. */
function idIn(groups: string, name: string): number | undefined {
  const fields = groups.split('\n').map((line) => line.split(':'))
  const [, , id = ''] = fields.find(([group]) => group === name) ?? []
  return /^\d+$/.test(id) ? Number(id) : undefined
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function explained(path: string, action: () => void): void {
  try {
    action()
  } catch (error) {
    const why = (error as Error).message
    throw new OverlayError('failed_precondition', `the agent's socket: ${path}: ${why}`, { cause: error })
  }
}
