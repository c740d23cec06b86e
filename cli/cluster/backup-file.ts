/** What a backup is: a tar file with etcd's data, the authorities, the key that opens them, and a manifest. */
import * as z from 'zod'
import { OverlayError } from '../../lib/errors.ts'
import type { Host } from './host.ts'

export const backupNames = {
  manifest: 'manifest.json',
  snapshot: 'etcd.db',
  authorities: 'authorities.json',
  sealingKey: 'sealing.key',
} as const

const digest = z.string().regex(/^[0-9a-f]{64}$/)

const manifestSchema = z.object({
  /** Of this file's form. */
  format: z.literal(1),
  /** Of the program that made it. */
  version: z.string(),
  createdAt: z.string(),
  clusterUid: z.string(),
  /** Of the store, at least. */
  revision: z.number(),
  prefix: z.string(),
  /** The controller whose certificate is made anew at the restore: etcd's users know it. */
  controller: z.object({ id: z.string().regex(/^[0-9a-f]{16}$/), name: z.string() }),
  /** Of the controller's configuration, what is the same on all hosts; the rest the restore makes anew. */
  settings: z.object({ pool: z.array(z.string()).optional(), certificateLife: z.string().optional() }).default({}),
  /** SHA-256 by name. */
  files: z.record(z.string(), digest),
})

export type Manifest = z.infer<typeof manifestSchema>

/**
 * Reads the manifest of an unpacked backup, and holds every file against it.
 * @throws OverlayError `invalid`
 */
export async function checkBackup(host: Host, directory: string, file: string): Promise<Manifest> {
  const manifest = readManifest(host, directory, file)
  for (const name of [backupNames.snapshot, backupNames.authorities])
    if (!(name in manifest.files)) throw new OverlayError('invalid', `${file} has no ${name} in it`)
  for (const [name, expected] of Object.entries(manifest.files)) {
    const path = `${directory}/${name}`
    if (
      !Object.values<string>(backupNames).includes(name) ||
      !host.exists(path) ||
      (await host.digest(path)) !== expected
    )
      throw new OverlayError('invalid', `${file} is damaged: ${name} in it is not what was saved`)
  }
  return manifest
}

function readManifest(host: Host, directory: string, file: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(host.read(`${directory}/${backupNames.manifest}`).toString('utf8')))
  } catch (error) {
    throw new OverlayError('invalid', `${file} is no backup of a cluster: its manifest is missing or not whole`, {
      cause: error,
    })
  }
}
