/** A network namespace that lives as long as this process needs it. */
import { OverlayError } from '../lib/errors.ts'

export interface Namespace {
  /** Where the agent finds it. */
  readonly path: string
  /** Lets it go; it ends with the last process inside. */
  release(): Promise<void>
}

// The holder leaves with its standard input, so that nothing is left behind
// even when overlayctl is killed, and signals of the terminal do not reach its
// own session. A name below /run/netns would stay, and one made in a mount
// namespace of its own (as `ip netns exec` makes) would not be seen by the agent.
const holder = 'ip link set lo up && echo ready && exec cat >/dev/null'

/**
 * Makes a namespace whose loopback interface is up.
 * @throws OverlayError `permission_denied` without root, else
 * `failed_precondition` with what the programs said.
 */
export async function createNamespace(): Promise<Namespace> {
  const { execa } = await import('execa')
  const child = execa('unshare', ['--net', 'sh', '-c', holder], {
    detached: true,
    reject: false,
    forceKillAfterDelay: false,
    stdin: 'pipe',
  })
  const ready = new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true)))
  const started = await Promise.race([ready, child.then(() => false)])
  if (!started || child.pid === undefined) throw cannotMake(await child)
  return {
    path: `/proc/${child.pid}/ns/net`,
    release: async () => {
      child.stdin.end()
      await child
    },
  }
}

function cannotMake({ stderr, message }: { stderr?: string | undefined; message?: string | undefined }): OverlayError {
  const why = stderr?.trim() || message || 'unshare gave no reason'
  if (/not permitted|EPERM|EACCES/i.test(why))
    return new OverlayError(
      'permission_denied',
      `no permission to make a network namespace: run overlayctl as root (${why})`,
    )
  return new OverlayError(
    'failed_precondition',
    `cannot make a network namespace (it takes unshare of util-linux and ip of iproute2): ${why}`,
  )
}
