/** How a request names its sandbox: by path, or by process. */
import { OverlayError } from './errors.ts'
import { quote } from './quote.ts'

export interface SandboxNames {
  /** The path of a network namespace, for example /run/netns/c1. */
  readonly netns?: string
  /** A process in it. */
  readonly pid?: number
}

/** Bytes of a path, the zero at its end included (Linux: PATH_MAX). */
const longestPath = 4096

/** @throws OverlayError `invalid` unless exactly one of the two is given, and can be one. */
export function checkSandbox({ netns, pid }: SandboxNames): void {
  if ((netns === undefined) === (pid === undefined))
    throw new OverlayError('invalid', 'name the network namespace by exactly one of netns (a path) and pid (a process)')
  if (netns !== undefined && (!/^\/[^\p{Cc}\p{Cs}]+$/u.test(netns) || Buffer.byteLength(netns) >= longestPath))
    throw new OverlayError('invalid', `${quote(netns)} is not an absolute path (for example /run/netns/c1)`)
  if (pid === 0) throw new OverlayError('invalid', '0 is no process: name one in the network namespace (--pid N)')
}
