/** The version of this build, from package.json. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The package's root: beside lib/ when run from source, above dist/ when built. */
export const packageRoot = [join(import.meta.dirname, '..'), join(import.meta.dirname, '../..')].find((directory) =>
  existsSync(join(directory, 'package.json')),
) as string

export const version: string = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).version
