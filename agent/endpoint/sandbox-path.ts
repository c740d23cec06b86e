/** Where the sandbox of a request is. */
import { checkSandbox, type SandboxNames } from '../../lib/sandbox.ts'

/**
 * The path of the network namespace that a request names, by path or by process.
 * @throws OverlayError `invalid` as `checkSandbox`.
 */
export function sandboxPath(request: SandboxNames): string {
  checkSandbox(request)
  return request.netns ?? `/proc/${request.pid}/ns/net`
}
