/** What the machines boot. */
import { join } from 'node:path'
import { execa } from 'execa'
import { packageRoot } from '../../../lib/version.ts'

/** Paths. */
export interface Image {
  readonly kernel: string
  readonly initrd: string
  /** As it is at /lib/modules. */
  readonly modules: string
}

/** Makes it, or takes what an earlier run has made. @throws Error with what image.sh says. */
export async function makeImage(): Promise<Image> {
  const { stdout } = await execa('sh', [join(packageRoot, 'test/hosts/vm/image.sh')], { stderr: 'inherit' })
  const [kernel = '', initrd = '', modules = ''] = stdout.split('\n')
  return { kernel, initrd, modules }
}
