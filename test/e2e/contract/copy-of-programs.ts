/** The programs of another release: the same, from elsewhere, with another version. */
import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../../lib/version.ts'
import type { Lab } from '../../lab/lab.ts'

export interface CopyOfPrograms {
  readonly version: string
  /** For a daemon's `start`: the command that runs the copy instead. */
  readonly command: (own: readonly string[]) => readonly string[]
}

/** It lives as long as the lab. */
export async function copyOfPrograms({ directory }: Lab): Promise<CopyOfPrograms> {
  const root = join(directory, 'release')
  const version = '99.0.0'
  const [programs, copied] = [packageRoot, root].map((where) => join(where, 'dist')) as [string, string]
  await cp(programs, copied, { recursive: true })
  const manifest = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as object
  await writeFile(join(root, 'package.json'), JSON.stringify({ ...manifest, version }))
  for (const shared of ['node_modules', 'proto']) await symlink(join(packageRoot, shared), join(root, shared))
  return { version, command: (own) => own.map((word) => word.replace(programs, copied)) }
}
