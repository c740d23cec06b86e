/** The package: found, made anew with another version, and installed into a layer that hosts can be over. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'

/** The newest package for this machine in out/. @throws Error saying how to make one. */
export async function newestPackage(out: string): Promise<string> {
  const { stdout: architecture } = await execa('dpkg', ['--print-architecture'])
  const made = readdirSync(out, { recursive: false, withFileTypes: true })
    .filter(({ name }) => name.startsWith('overlay_') && name.endsWith(`_${architecture}.deb`))
    .map(({ name }) => join(out, name))
    .toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  const [newest] = made
  if (!newest) throw new Error(`there is no package in ${out}: make it with \`npm run package\``)
  return newest
}

/** The same files under a version that dpkg takes for older. Gives the new package's path. */
export async function asPreviousVersion(deb: string, directory: string): Promise<string> {
  const tree = join(directory, 'previous')
  await execa('dpkg-deb', ['--raw-extract', deb, tree])
  const control = join(tree, 'DEBIAN', 'control')
  const text = readFileSync(control, 'utf8')
  writeFileSync(control, text.replace(/^Version: (.*)$/m, 'Version: $1~previous'))
  const previous = join(directory, 'previous.deb')
  // Not compressed: it is read three times, here.
  await execa('dpkg-deb', ['-Znone', '--root-owner-group', '--build', tree, previous])
  await execa('rm', ['-rf', tree])
  return previous
}

/**
 * Installs a package over the root, without a boot, as one makes an image.
 * Gives the directory with what that changed.
 * @throws Error with dpkg's words.
 */
export async function installedLayer(root: string, deb: string, directory: string): Promise<string> {
  const [files, work, mounted] = ['files', 'work', 'root'].map((name) => join(directory, name))
  for (const path of [files, work, mounted]) mkdirSync(path ?? '', { recursive: true })
  const script = `
    mount -t overlay overlay -o lowerdir=${root},upperdir=${files},workdir=${work} ${mounted}
    mount -t proc proc ${mounted}/proc
    mount --bind /dev ${mounted}/dev
    touch ${mounted}/package.deb
    mount --bind ${deb} ${mounted}/package.deb
    chroot ${mounted} dpkg --install /package.deb
    umount ${mounted}/package.deb
    rm ${mounted}/package.deb`
  await execa('unshare', ['--mount', '--propagation', 'private', 'sh', '-eu', '-c', script], {
    env: {
      DEBIAN_FRONTEND: 'noninteractive',
      LC_ALL: 'C.UTF-8',
      PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin',
    },
  })
  return files ?? ''
}
