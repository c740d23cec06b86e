/** The programs under test: what `npm run build` made, and no other. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../lib/version.ts'

/**
 * The path of a built program, for example `overlay-agent.cjs`.
 * @throws Error when it was not built.
 */
export function program(name: string): string {
  const path = join(packageRoot, 'dist', name)
  if (!existsSync(path)) throw new Error(`${path} is not there: run \`npm run build\``)
  return path
}
