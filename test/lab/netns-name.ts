/** How the lab's network namespaces are called. */
import { join } from 'node:path'

/** Where iproute2 keeps named namespaces. */
export const netnsDirectory = '/run/netns'

/** `ovl<lab's id>-<name>`, for example `ovl1f00ba-h1`. */
export const netnsName = (labId: string, name: string) => `ovl${labId}-${name}`

export const netnsPath = (labId: string, name: string) => join(netnsDirectory, netnsName(labId, name))
