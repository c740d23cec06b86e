/** A Debian package of a laid-out tree: control files, checksums, archive. */
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { execa } from 'execa'
import { packageRoot } from '../../lib/version.ts'
import type { Architecture } from './architectures.ts'
import type { Manifest } from './programs.ts'

/**
 * Packs what is below `root`. The same tree gives the same bytes: owners are
 * root, times are `epoch` (seconds).
 * @returns the package's path.
 */
export async function packDeb(
  root: string,
  out: string,
  architecture: Architecture,
  manifest: Manifest,
  epoch: number,
): Promise<string> {
  const files = filesBelow(root)
  const control = join(root, 'DEBIAN')
  mkdirSync(control)
  writeFileSync(join(control, 'control'), controlFile(files, architecture, manifest))
  writeFileSync(join(control, 'md5sums'), files.map((file) => checksumLine(root, file)).join(''))
  for (const script of readdirSync(join(packageRoot, 'deploy/package/debian'))) {
    copyFileSync(join(packageRoot, 'deploy/package/debian', script), join(control, script))
    chmodSync(join(control, script), 0o755)
  }
  const path = join(out, `overlay_${debianVersion(manifest.version)}_${architecture}.deb`)
  // zstd unpacks in a fifth of xz's time, and above level 9 gains 1 % for twice to ten times the
  // time. Debian 12 and Ubuntu 22.04 read it.
  await execa('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z9', '--build', root, path], {
    env: { SOURCE_DATE_EPOCH: `${epoch}` },
  })
  return path
}

/** A pre-release sorts before its release: `1.2.0-rc.1` is `1.2.0~rc.1`. */
export function debianVersion(version: string): string {
  return version.replaceAll('-', '~')
}

function controlFile(files: readonly string[], architecture: Architecture, { version, description }: Manifest): string {
  // KiB, as dpkg-gencontrol counts.
  const size = files.reduce((sum, file) => sum + Math.ceil(lstatSync(file).size / 1_024), 0)
  return `Package: overlay
Version: ${debianVersion(version)}
Architecture: ${architecture}
Maintainer: The overlay network controller's authors <noreply@localhost>
Installed-Size: ${size}
Depends: libc6 (>= 2.34), libgcc-s1, libstdc++6, nftables, passwd, systemd (>= 247)
Recommends: iproute2, man-db
Suggests: bash-completion
Section: net
Priority: optional
Description: ${description.replace(/[:;].*$/s, '')}
 Networks that span hosts, over VXLAN, without Kubernetes and without Swarm:
 overlayctl makes them, a controller decides, an agent on each host does it.
 .
 Everything that is needed is in this package, a Node.js runtime and an etcd of
 its own too. Nothing is started by the installation: "overlayctl cluster init"
 makes a cluster, "overlayctl cluster join" enters one.
`
}

/** Files and links, sorted. */
function filesBelow(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted()
}

function checksumLine(root: string, file: string): string {
  if (lstatSync(file).isSymbolicLink()) return ''
  return `${createHash('md5').update(readFileSync(file)).digest('hex')}  ${relative(root, file)}\n`
}
