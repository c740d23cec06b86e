/** Once before the specifications of this tier: the root, and the package over it. */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import type { TestProject } from 'vitest/node'
import { createRecord } from '../../lab/record.ts'
import { reap, removeLab } from '../../lab/residue.ts'
import { asPreviousVersion, installedLayer, newestPackage } from './package-layer.ts'

export interface Prepared {
  /** A Debian with systemd; nothing of ours. */
  readonly root: string
  /** The program systemd-nspawn. */
  readonly nspawn: string
  readonly deb: string
  /** What the package adds to the root. */
  readonly installed: string
  /** A package of an older version (OVERLAY_PREVIOUS_DEB, or else the same with a lower number), and what it adds. */
  readonly previousDeb: string
  readonly previousInstalled: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    nspawn: Prepared
  }
}

/** Its directory is a lab's without hosts: the next lab removes what a killed run left. */
export default async function prepare(project: TestProject): Promise<() => void> {
  reap()
  const id = randomBytes(3).toString('hex')
  const directory = createRecord(id, { keep: false })
  try {
    const top = join(import.meta.dirname, '../../..')
    const { stdout } = await execa('sh', [join(import.meta.dirname, 'root.sh')], { stderr: 'inherit' })
    const [root = '', nspawn = ''] = stdout.split('\n')
    const deb = process.env['OVERLAY_DEB'] ?? (await newestPackage(join(top, 'out')))
    for (const name of ['installed', 'previous-installed']) mkdirSync(join(directory, name))
    const previousDeb = process.env['OVERLAY_PREVIOUS_DEB'] ?? (await asPreviousVersion(deb, directory))
    const installed = await installedLayer(root, deb, join(directory, 'installed'))
    const previousInstalled = await installedLayer(root, previousDeb, join(directory, 'previous-installed'))
    project.provide('nspawn', { root, nspawn, deb, installed, previousDeb, previousInstalled })
  } catch (error) {
    removeLab(id)
    throw error
  }
  return () => removeLab(id)
}
