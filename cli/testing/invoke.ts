/** For specs: overlayctl without a process of its own. */
import type { Host } from '../cluster/host.ts'
import { runCli } from '../program.ts'
import { type FakeCluster } from './cluster.ts'
import { createFakeHost } from './host.ts'
import { now } from './records.ts'

export interface Invocation {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface InvokeOptions {
  readonly env?: NodeJS.ProcessEnv
  /** What the person answers; without it standard input is no terminal. */
  readonly answer?: string
  /** What comes on standard input. */
  readonly input?: string
  /** Standard output is a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number }
  /** Told of each piece of standard output, with all before. */
  readonly onOutput?: (stdout: string) => void
  /** Default: a host that has nothing of a cluster. */
  readonly host?: Host
  /** Default: that of the canned data. */
  readonly now?: Date
  /** Aborted with a signal's name as the reason. */
  readonly interrupted?: AbortSignal
}

/** Runs overlayctl against the cluster, if there is one. */
export async function invoke(
  cluster: Pick<FakeCluster, 'controller' | 'agent'> | undefined,
  argv: readonly string[],
  options: InvokeOptions = {},
): Promise<Invocation> {
  const { env = {}, answer, input = '', terminal, onOutput, host = createFakeHost() } = options
  const { interrupted = new AbortController().signal } = options
  const written = { stdout: '', stderr: '' }
  const addresses = cluster && { OVERLAY_CONTROLLER: cluster.controller, OVERLAY_AGENT: cluster.agent }
  const code = await runCli(argv, {
    env: { ...addresses, ...env },
    stdout: {
      write(text) {
        written.stdout += text
        onOutput?.(written.stdout)
      },
      isTTY: terminal !== undefined,
      ...terminal,
    },
    stderr: { write: (text) => (written.stderr += text) },
    ask: answer === undefined ? undefined : async () => answer,
    input: async () => input,
    now: () => options.now ?? now,
    host,
    signals: { interrupted, redirect: () => () => undefined },
  })
  return { code, ...written }
}
