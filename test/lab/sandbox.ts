/** A namespace for a workload, as a container runtime would make it. */
import { execa } from 'execa'
import { type Netns, netnsAt } from './netns.ts'
import { netnsName } from './netns-name.ts'
import { batch } from './underlay.ts'

export interface Sandbox extends Netns {
  /** Removes the namespace, whatever is in it. */
  delete(): Promise<void>
}

/** Makes an empty namespace `ovl<lab>-s-<name>`, with its loopback up. */
export async function createSandbox(labId: string, directory: string, name: string): Promise<Sandbox> {
  const netns = netnsName(labId, `s-${name}`)
  await batch(undefined, [`netns add ${netns}`])
  await batch(netns, ['link set lo up'])
  return {
    ...netnsAt(labId, directory, name, `s-${name}`),
    delete: () => batch(undefined, [`netns del ${netns}`]),
  }
}

/** Many at once, in a fraction of the time. */
export async function createSandboxes(
  labId: string,
  directory: string,
  names: readonly string[],
): Promise<readonly Sandbox[]> {
  const all = names.map((name) => ({ name, netns: netnsName(labId, `s-${name}`) }))
  await batch(
    undefined,
    all.map(({ netns }) => `netns add ${netns}`),
  )
  const loopbacks = all.map(({ netns }) => `ip -n ${netns} link set lo up`)
  await execa('sh', ['-e'], { input: loopbacks.join('\n') })
  return all.map(({ name, netns }) => ({
    ...netnsAt(labId, directory, name, `s-${name}`),
    delete: () => batch(undefined, [`netns del ${netns}`]),
  }))
}
