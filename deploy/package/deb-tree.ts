/** The files of the Debian package, laid out below a directory. */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packageRoot } from '../../lib/version.ts'
import { programs } from '../bundle/programs.ts'
import { type Architecture, nodeNames } from './architectures.ts'
import type { Completion } from './completions.ts'
import { fetchEtcd, fetchKoffiNative, fetchNode } from './fetch.ts'
import { bundledModules, copyrightFile, licencesOfModules } from './licences.ts'
import type { Page } from './man.ts'
import { copy, layPrograms, type Manifest } from './programs.ts'

const lib = 'usr/lib/overlay'
const doc = 'usr/share/doc/overlay'

/** Where the files of deploy/package/files are looked for. */
const configuration: { readonly [file: string]: string } = {
  'sysusers.conf': 'usr/lib/sysusers.d/overlay.conf',
  'tmpfiles.conf': 'usr/lib/tmpfiles.d/overlay.conf',
  // Early names: in each of these places another file of the host is to win, or a general one to come later.
  'sysctl.conf': 'usr/lib/sysctl.d/05-overlay.conf',
  'overlay.network': 'usr/lib/systemd/network/05-overlay.network',
  'overlay.link': 'usr/lib/systemd/network/05-overlay.link',
  'networkmanager.conf': 'usr/lib/NetworkManager/conf.d/05-overlay.conf',
}

export interface Documents {
  readonly pages: readonly Page[]
  readonly completions: readonly Completion[]
}

export async function layDebTree(
  root: string,
  architecture: Architecture,
  { name, version, license }: Manifest,
  { pages, completions }: Documents,
): Promise<void> {
  const [node, koffi, etcd] = await Promise.all([
    fetchNode(architecture),
    fetchKoffiNative(architecture),
    fetchEtcd(architecture),
  ])
  const put = writerBelow(root)
  place(join(node, 'bin/node'), join(root, lib, 'bin/node'))
  for (const program of ['etcd', 'etcdctl']) place(join(etcd, 'usr/bin', program), join(root, lib, 'bin', program))
  layPrograms(join(root, lib), { name, version, license })
  for (const program of programs) linkProgram(root, program.name)
  layKoffi(join(root, lib), koffi, architecture)
  for (const unit of readdirSync(join(packageRoot, 'deploy/systemd')))
    copy(`deploy/systemd/${unit}`, root, `usr/lib/systemd/system/${unit}`)
  // etcd 3.4 runs there only if it is told so.
  if (architecture === 'arm64')
    put(
      'usr/lib/systemd/system/overlay-etcd.service.d/arm64.conf',
      '[Service]\nEnvironment=ETCD_UNSUPPORTED_ARCH=arm64\n',
    )
  for (const [file, to] of Object.entries(configuration)) copy(`deploy/package/files/${file}`, root, to)
  for (const { file, content } of pages) put(`usr/share/man/man${file.slice(-1)}/${file}.gz`, gzipSync(content, best))
  for (const { path, content } of completions) put(path, content)
  layDocuments(put, node, etcd)
  settleModes(root)
}

const best = { level: 9 }

type Put = (path: string, content: string | Buffer) => void

function writerBelow(root: string): Put {
  return (path, content) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
}

function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to)
}

/** The command, which runs by the package's own node. */
function linkProgram(root: string, name: string): void {
  const path = join(root, lib, 'dist', `${name}.cjs`)
  const [, ...lines] = readFileSync(path, 'utf8').split('\n')
  writeFileSync(path, [`#!/${lib}/bin/node`, ...lines].join('\n'))
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  symlinkSync(`../lib/overlay/dist/${name}.cjs`, join(root, 'usr/bin', name))
}

/** What it loads, and no sources. */
function layKoffi(root: string, native: string, architecture: Architecture): void {
  for (const file of ['package.json', 'index.cjs', 'src/koffi/index.cjs', 'src/koffi/src/static.cjs', 'LICENSE.txt'])
    copy(`node_modules/koffi/${file}`, root)
  const arch = nodeNames[architecture]
  for (const file of ['package.json', 'index.js', `linux_${arch}/koffi.node`])
    place(join(native, file), join(root, `node_modules/@koromix/koffi-linux-${arch}`, file))
}

function layDocuments(put: Put, node: string, etcd: string): void {
  const { version } = JSON.parse(readFileSync(join(node, 'package.json'), 'utf8')) as { readonly version: string }
  const modules = bundledModules()
  const nodeLicence = readFileSync(join(node, 'LICENSE'), 'utf8')
  const etcdCopyright = readFileSync(join(etcd, 'usr/share/doc/etcd-server/copyright'), 'utf8')
  const versions = readFileSync(join(etcd, 'versions'), 'utf8').trim().split('\n')
  put(`${doc}/copyright`, copyrightFile({ nodeVersion: version, etcdVersions: versions, modules }))
  put(`${doc}/licences/node.gz`, gzipSync(nodeLicence, best))
  put(`${doc}/licences/etcd.gz`, gzipSync(etcdCopyright, best))
  put(`${doc}/licences/modules.gz`, gzipSync(licencesOfModules(modules), best))
  put(`${doc}/changelog.gz`, gzipSync(readFileSync(join(packageRoot, 'CHANGELOG.md')), best))
}

/** Whatever the umask and the owner's copies had. */
function settleModes(root: string): void {
  chmodSync(root, 0o755)
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const path = join(root, entry.name)
    if (entry.isDirectory()) settleModes(path)
    else if (entry.isFile()) chmodSync(path, isProgram(path) ? 0o755 : 0o644)
  }
}

function isProgram(path: string): boolean {
  const start = readFileSync(path).subarray(0, 4).toString('latin1')
  return path.includes('/bin/') || (start.startsWith('#!') && path.endsWith('.cjs'))
}
