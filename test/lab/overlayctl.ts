/** overlayctl, run in a namespace of the lab. */
import type { Netns, Output } from './netns.ts'
import { program } from './program-path.ts'

export interface Overlayctl {
  /** Runs overlayctl; a failure is an answer too. */
  overlayctl(...args: readonly string[]): Promise<Output>
  /**
   * Runs overlayctl with `-o json` and gives what it prints, parsed.
   * @throws Error with its standard error when it fails.
   */
  overlayctlJson<T>(...args: readonly string[]): Promise<T>
}

export async function overlayctl(
  netns: Netns,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<Output> {
  return netns.try([process.execPath, program('overlayctl.cjs'), ...args], { env })
}

/** Both forms of it, in one namespace with one environment. */
export function overlayctlIn(netns: Netns, env: Readonly<Record<string, string>>): Overlayctl {
  return {
    overlayctl: (...args) => overlayctl(netns, env, args),
    async overlayctlJson<T>(...args: readonly string[]) {
      const { stdout, stderr, exitCode } = await overlayctl(netns, env, ['-o', 'json', ...args])
      if (exitCode !== 0) throw new Error(`overlayctl ${args.join(' ')} ended with ${exitCode}: ${stderr}`)
      return JSON.parse(stdout) as T
    },
  }
}
