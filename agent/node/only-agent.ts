/** One agent per node: two on one state directory would take each other's session and mend each other's kernel. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { OverlayError } from '../../lib/errors.ts'

const nameOf = (nodeUid: string) => `overlay-agent/${nodeUid}`

/**
 * Holds a socket of an abstract name (unix(7)) for as long as this process
 * lives: the kernel lets go of it, whatever the process ends by.
 * @throws OverlayError `failed_precondition` when another agent has it.
 */
export async function beOnlyAgent(nodeUid: string, stateDir: string): Promise<Server> {
  const server = createServer()
  server.listen({ path: `\0${nameOf(nodeUid)}` })
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new OverlayError(
      'failed_precondition',
      `another agent runs on the state directory ${stateDir}: stop it, or give this one a --state-dir of its own`,
      { cause: error },
    )
  }
  return server.unref()
}

/**
 * Whether any agent runs in the calling thread's network namespace, whatever its
 * state directory: by what the kernel lists (proc_net(5)), where an abstract name
 * begins with an @.
 */
export function isAgentRunning(): boolean {
  const names = readFileSync('/proc/thread-self/net/unix', 'utf8')
  return names.includes(` @${nameOf('')}`)
}
