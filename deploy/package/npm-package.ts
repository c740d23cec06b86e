/** The tarball for `npm install --global`: the programs, and of all modules the one with a native part. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { copy, layPrograms, type Manifest } from './programs.ts'

/** @returns the tarball's path. */
export async function makeNpmPackage(scratch: string, out: string, manifest: Manifest): Promise<string> {
  const root = join(scratch, 'npm')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
  const { name, version, description, license, engines, bin, dependencies } = manifest
  layPrograms(root, {
    name,
    version,
    description,
    license,
    private: true,
    engines,
    os: ['linux'],
    bin,
    // All else is within the bundles.
    dependencies: { koffi: dependencies['koffi'] },
  })
  for (const file of ['LICENSE', 'README.md', 'CHANGELOG.md']) copy(file, root)
  await execa('npm', ['pack', '--silent', '--pack-destination', out], { cwd: root })
  return join(out, `${name}-${version}.tgz`)
}
