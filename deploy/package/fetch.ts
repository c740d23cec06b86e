/** What a package brings along that is not ours: fetched once, then taken from a cache. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { packageRoot } from '../../lib/version.ts'
import { type Architecture, nodeNames } from './architectures.ts'

const cache = join(packageRoot, 'node_modules/.cache/overlay-package')

interface Pinned {
  readonly package: string
  readonly version: string
  /** Subresource integrity, as in package-lock.json: `sha512-` and base64. */
  readonly integrity: string
}

/** Directory of Node's runtime: bin/node, LICENSE, package.json. */
export async function fetchNode(architecture: Architecture): Promise<string> {
  const { node } = JSON.parse(readFileSync(join(packageRoot, 'deploy/package/runtimes.json'), 'utf8')) as {
    readonly node: { readonly version: string } & Record<Architecture, Omit<Pinned, 'version'>>
  }
  return fetchNpm({ ...node[architecture], version: node.version })
}

/** Directory of koffi's native part, of the version that package-lock.json has. */
export async function fetchKoffiNative(architecture: Architecture): Promise<string> {
  const lock = JSON.parse(readFileSync(join(packageRoot, 'package-lock.json'), 'utf8')) as {
    readonly packages: { readonly [path: string]: Omit<Pinned, 'package'> | undefined }
  }
  const name = `@koromix/koffi-linux-${nodeNames[architecture]}`
  const locked = lock.packages[`node_modules/${name}`]
  if (!locked) throw new Error(`package-lock.json has no ${name}`)
  return fetchNpm({ package: name, version: locked.version, integrity: locked.integrity })
}

/** @throws Error when what came is not what was pinned. */
async function fetchNpm({ package: name, version, integrity }: Pinned): Promise<string> {
  const directory = join(cache, `${name.replace('/', '+')}-${version}`)
  if (existsSync(directory)) return directory
  const fresh = emptied(`${directory}.fresh`)
  await execa('npm', ['pack', '--silent', '--pack-destination', fresh, `${name}@${version}`], { cwd: fresh })
  const [archive = ''] = readdirSync(fresh)
  const found = `sha512-${createHash('sha512')
    .update(readFileSync(join(fresh, archive)))
    .digest('base64')}`
  if (found !== integrity) throw new Error(`${name}@${version} is ${found}, but ${integrity} is expected of it`)
  await execa('tar', ['-xzf', archive, '--strip-components=1', '--no-same-owner'], { cwd: fresh })
  rmSync(join(fresh, archive))
  renameSync(fresh, directory)
  return directory
}

/**
 * Directory with Debian's etcd-server and etcd-client of one architecture,
 * unpacked; `versions` in it says which. Signatures are apt's to check: it works
 * with lists of its own, so that the machine's stay as they are.
 */
export async function fetchEtcd(architecture: Architecture): Promise<string> {
  const directory = join(cache, `etcd-${architecture}`)
  if (existsSync(directory)) return directory
  const fresh = emptied(`${directory}.fresh`)
  const apt = await ownApt(join(cache, `apt-${architecture}`), architecture)
  await execa('apt-get', [...apt, 'download', 'etcd-server', 'etcd-client'], { cwd: fresh })
  const versions: string[] = []
  for (const file of readdirSync(fresh).toSorted()) {
    await execa('dpkg-deb', ['--extract', file, '.'], { cwd: fresh })
    const { stdout } = await execa('dpkg-deb', ['--show', '--showformat', `\${Package} \${Version}`, file], {
      cwd: fresh,
    })
    versions.push(stdout)
    rmSync(join(fresh, file))
  }
  writeFileSync(join(fresh, 'versions'), `${versions.join('\n')}\n`)
  renameSync(fresh, directory)
  return directory
}

/** Debian 12's etcd needs a libc that every later release has too. */
async function ownApt(directory: string, architecture: Architecture): Promise<readonly string[]> {
  for (const path of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(directory, path), { recursive: true })
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg'
  if (!existsSync(keys)) throw new Error(`${keys} is not there: install Debian's package debian-archive-keyring`)
  writeFileSync(join(directory, 'sources.list'), `deb [signed-by=${keys}] http://deb.debian.org/debian bookworm main\n`)
  writeFileSync(join(directory, 'status'), '')
  const settings = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Dir::Cache': join(directory, 'cache'),
    'Dir::Etc::SourceList': join(directory, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State': join(directory, 'state'),
    'Dir::State::status': join(directory, 'status'),
  }
  const options = ['-qq', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
  await execa('apt-get', [...options, 'update'])
  return options
}

function emptied(directory: string): string {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return directory
}
