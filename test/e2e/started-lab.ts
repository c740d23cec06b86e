/** A cluster that runs, for the tests of one file; its state is shown when one of them fails. */
import { onTestFailed } from 'vitest'
import { createLab, type Lab, type LabOptions } from '../lab/lab.ts'
import { kernelState } from './kernel-state.ts'

export interface StartOptions extends LabOptions {
  /** Added to those of every agent. */
  readonly agentFlags?: readonly string[]
}

/** Take it down after the tests. What fails to start leaves nothing. */
export async function startedLab({ agentFlags = [], ...options }: StartOptions): Promise<Lab> {
  const lab = await createLab(options)
  try {
    await Promise.all(lab.etcdMembers.map((member) => member.start()))
    await Promise.all(lab.controllers.map((controller) => controller.start()))
    await Promise.all(lab.hosts.map(({ agent }) => agent.start({ flags: agentFlags })))
    return lab
  } catch (error) {
    await lab.down()
    throw error
  }
}

/** To be called in a test: if it fails, the daemons' last words and the hosts' states are printed. */
export function showHostsOnFailure(lab: Lab, lines = 25): void {
  onTestFailed(async () => {
    for (const controller of lab.controllers) console.error(`${controller.name}:\n${controller.logTail(lines)}`)
    for (const host of lab.hosts)
      console.error(`${host.agent.name}:\n${host.agent.logTail(lines)}\n${await kernelState(host)}`)
  })
}
