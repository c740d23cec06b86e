/** The built programs and what they need at run time, as they lie in every package. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { packageRoot } from '../../lib/version.ts'
import { programs } from '../bundle/programs.ts'

/** Copies bundles and proto files below `root`, with a package.json of what is left to say. */
export function layPrograms(root: string, manifest: object): void {
  for (const { name } of programs) for (const file of [`dist/${name}.cjs`, `dist/${name}-bundle.cjs`]) copy(file, root)
  for (const directory of ['dist/foreign', 'proto/overlay']) copy(directory, root)
  writeFileSync(join(root, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
}

/** From the checkout to the same place below `root`. */
export function copy(path: string, root: string, to = path): void {
  mkdirSync(dirname(join(root, to)), { recursive: true })
  cpSync(join(packageRoot, path), join(root, to), { recursive: true })
}

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly engines: object
  readonly bin: { readonly [program: string]: string }
  readonly dependencies: { readonly [name: string]: string }
}

/** Our own package.json; with another version, if one is asked for. */
export function readManifest(version: string | undefined): Manifest {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as Manifest
  return version === undefined ? manifest : { ...manifest, version }
}
