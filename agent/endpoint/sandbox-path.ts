/** How a request names its sandbox. */
import { isAbsolute } from 'node:path'
import { OverlayError } from '../../lib/errors.ts'

/**
 * The path of the network namespace that a request names, by path or by process.
 * @throws OverlayError `invalid` when it names none or no absolute path.
 */
export function sandboxPath({ netns, pid }: { netns?: string; pid?: number }): string {
  if (netns !== undefined) {
    if (isAbsolute(netns) && netns.length < 4096 && !netns.includes('\0')) return netns
    throw new OverlayError('invalid', `"${netns}" is not an absolute path (for example /run/netns/c1)`)
  }
  if (pid) return `/proc/${pid}/ns/net`
  throw new OverlayError('invalid', 'name the network namespace: --netns PATH or --pid N')
}
