/** A whole host, with an init, files and processes of its own, however it is run: what all tiers share. */
import type { Command, ExecOptions, Output } from '../lab/netns.ts'

export interface Machine {
  /** Its hostname. */
  readonly name: string
  /** On the network that joins the hosts; IPv4. */
  readonly address: string
  /**
   * Runs a command as root in the host and gives its standard output.
   * @throws Error with its standard error when it fails.
   */
  exec(command: Command, options?: ExecOptions): Promise<string>
  /** The same, but a failure is an answer too. */
  try(command: Command, options?: ExecOptions): Promise<Output>
}
