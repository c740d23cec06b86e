/** Writes a backup of the cluster, on a host of its control plane. */
import { X509Certificate } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'
import { paths } from '../../lib/paths.ts'
import { identityOf } from '../../lib/pki/identity.ts'
import { version } from '../../lib/version.ts'
import { AuthoritySet, ClustersService, ControlPlaneService } from '../../proto/index.ts'
import type { Context } from '../context.ts'
import { backupNames, type Manifest } from './backup-file.ts'
import type { Host } from './host.ts'
import { tlsFiles } from './layout.ts'
import { needRoot } from './preflight.ts'

export interface BackupOptions {
  /** False with --without-key. */
  readonly withKey: boolean
}

/** @throws OverlayError; then there is no file. */
export async function backupCluster(context: Context, given: string, { withKey }: BackupOptions): Promise<Manifest> {
  const { host } = context
  const file = resolve(given)
  needRoot(host, 'cluster backup reads secrets of this host, and')
  if (!host.exists(paths.sealingKey))
    throw new OverlayError(
      'failed_precondition',
      `this host is not of the control plane (it has no ${paths.sealingKey}): make the backup on one that is`,
    )
  if (host.exists(file)) throw new OverlayError('already_exists', `${given} is there already: name another file`)
  if (!host.exists(dirname(file)))
    throw new OverlayError('not_found', `there is no directory ${dirname(file)} to write the backup into`)
  const directory = await host.makeTemporary(dirname(file))
  try {
    const manifest = await collect(context, directory, withKey)
    const packed = `${directory}/backup.tar`
    const names = [backupNames.manifest, ...Object.keys(manifest.files)]
    await tar(host, ['-cf', packed, '--owner=0', '--group=0', '-C', directory, ...names])
    await host.run('chmod', ['0600', packed])
    // A backup that a power cut can take back is none.
    await host.run('sync', [packed])
    await host.rename(packed, file)
    await host.run('sync', [dirname(file)])
    return manifest
  } finally {
    await host.remove(directory)
  }
}

/** @throws OverlayError `failed_precondition` with what tar says. */
export async function tar(host: Host, args: readonly string[]): Promise<void> {
  const { code, stderr } = await host.run('tar', args)
  if (code !== 0) throw new OverlayError('failed_precondition', `tar failed: ${stderr.trim()}`)
}

async function collect(context: Context, directory: string, withKey: boolean): Promise<Manifest> {
  const { host, now } = context
  const access = { mode: 0o600 }
  const status = await context.controller.ask((client, call) => client.service(ClustersService).getStatus({}, call))
  const authorities = await saveSnapshot(context, `${directory}/${backupNames.snapshot}`)
  await host.write(
    `${directory}/${backupNames.authorities}`,
    `${JSON.stringify(AuthoritySet.toJson(authorities), undefined, 2)}\n`,
    access,
  )
  if (withKey) await host.write(`${directory}/${backupNames.sealingKey}`, host.read(paths.sealingKey), access)
  const names = [backupNames.snapshot, backupNames.authorities, ...(withKey ? [backupNames.sealingKey] : [])]
  const files: Record<string, string> = {}
  for (const name of names) files[name] = await host.digest(`${directory}/${name}`)
  const manifest: Manifest = {
    format: 1,
    version,
    createdAt: now().toISOString(),
    clusterUid: status.clusterUid,
    revision: status.store?.revision ?? 0,
    ...(await ownSettings(host)),
    controller: ownController(host),
    files,
  }
  await host.write(`${directory}/${backupNames.manifest}`, `${JSON.stringify(manifest, undefined, 2)}\n`, access)
  return manifest
}

/** The pieces of one controller only: those of another would be of another moment. */
async function saveSnapshot(context: Context, path: string): Promise<AuthoritySet> {
  let authorities: AuthoritySet | undefined
  const broken = (why: string) => {
    throw new OverlayError('unavailable', `the snapshot broke off (${why}): try again`)
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const stream = context.controller.follow(
      (client, call) => client.service(ControlPlaneService).snapshot({}, call),
      broken,
    )
    for await (const piece of stream) {
      yield piece.data
      authorities = piece.authorities ?? undefined
      if (authorities) return
    }
  }
  await context.host.writePieces(path, pieces(), { mode: 0o600 })
  context.signals.interrupted.throwIfAborted()
  if (!authorities) throw new OverlayError('unavailable', 'the snapshot broke off before its end: try again')
  return authorities
}

async function ownSettings(host: Host): Promise<Pick<Manifest, 'prefix' | 'settings'>> {
  const { parse } = await import('yaml')
  const text = host.read(paths.controllerConfig).toString('utf8')
  const config = (parse(text) ?? {}) as { prefix?: string; pool?: string | string[]; certificateLife?: string | number }
  const { prefix = '', pool, certificateLife } = config
  return {
    prefix,
    settings: {
      ...(pool !== undefined && { pool: [pool].flat() }),
      ...(certificateLife !== undefined && { certificateLife: String(certificateLife) }),
    },
  }
}

function ownController(host: Host): Manifest['controller'] {
  const { cert } = tlsFiles(paths.controllerTls)
  const identity = identityOf(new X509Certificate(host.read(cert)))
  if (!identity?.id)
    throw new OverlayError(
      'failed_precondition',
      `${cert} names no identity of this cluster: the backup could not be restored`,
    )
  return { id: identity.id, name: identity.name }
}
