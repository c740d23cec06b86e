/** The cgroups of the hosts: directories that outlive who was in them. */
import { existsSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** Where a host may have been put (boot.sh): the one hierarchy, or those of a machine that has several. */
const trees = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']
const prefix = 'overlay-lab-'

/** Of a lab whose processes have ended. */
export function removeCgroups(labId: string): void {
  for (const tree of trees) removeTree(join(tree, prefix + labId))
}

/** Of the labs that are gone. `directoryOf` says where one that is not has its directory. */
export function removeDeadCgroups(directoryOf: (labId: string) => string): void {
  const names = trees.flatMap((tree) => (existsSync(tree) ? readdirSync(tree) : []))
  const ids = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))
  for (const id of new Set(ids)) if (!existsSync(directoryOf(id))) removeCgroups(id)
}

/** The files in a cgroup are the kernel's and go with it. One that somebody is still in stays for the next time. */
function removeTree(directory: string): void {
  if (!existsSync(directory)) return
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(directory, entry.name))
  try {
    rmdirSync(directory)
  } catch {
    // EBUSY.
  }
}
