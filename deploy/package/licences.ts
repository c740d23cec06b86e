/** Who made what a package contains, and on what terms. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../lib/version.ts'

export interface Module {
  readonly name: string
  readonly version: string
  /** SPDX expression. */
  readonly licence: string
  /** The text, where the module brings one. */
  readonly text: string | undefined
}

/** The npm modules within the bundles, as the build has listed them, and those that are beside them in part. */
export function bundledModules(): readonly Module[] {
  const listed = JSON.parse(readFileSync(join(packageRoot, 'dist/modules.json'), 'utf8')) as readonly string[]
  return [...listed, 'node_modules/koffi', 'node_modules/etcd3'].toSorted().map((directory) => {
    const root = join(packageRoot, directory)
    const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly name: string
      readonly version: string
      readonly license: string
    }
    const file = readdirSync(root).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
    return { name, version, licence: license, text: file && readFileSync(join(root, file), 'utf8') }
  })
}

export interface Contents {
  readonly nodeVersion: string
  /** Debian's packages and their versions. */
  readonly etcdVersions: readonly string[]
  readonly modules: readonly Module[]
}

/** debian/copyright: what is in the package, by path. */
export function copyrightFile({ nodeVersion, etcdVersions, modules }: Contents): string {
  return [
    'This package contains the overlay network controller, and beside it, so that it',
    'needs nothing of the host but its libc, programs and modules of others.',
    '',
    'The overlay network controller: Apache-2.0',
    '(/usr/share/common-licenses/Apache-2.0 has the text).',
    '',
    `/usr/lib/overlay/bin/node: Node.js ${nodeVersion}, MIT, with parts under the terms`,
    'of their own: licences/node.gz.',
    '',
    `/usr/lib/overlay/bin/etcd, etcdctl: of Debian's ${etcdVersions.join(' and ')},`,
    'Apache-2.0, with parts under the terms of their own: licences/etcd.gz.',
    '',
    'In /usr/lib/overlay/dist and node_modules, with their texts in licences/modules.gz:',
    ...modules.map(({ name, version, licence }) => `  ${name} ${version}: ${licence}`),
    '',
  ].join('\n')
}

export function licencesOfModules(modules: readonly Module[]): string {
  return modules
    .map(
      ({ name, version, licence, text }) =>
        `${name} ${version}\n\n${text?.trimEnd() ?? `${licence} (no text in the module)`}\n`,
    )
    .join(`\n${'-'.repeat(72)}\n\n`)
}
