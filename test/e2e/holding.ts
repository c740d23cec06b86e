/** What is seen of an agent that does not believe the store. */
import { expect } from 'vitest'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { until } from '../lab/until.ts'

/** It says that it holds, why, and what to do, itself and by `overlayctl status`; and it attaches nothing. */
export async function expectHolding(lab: Lab, host: Host, reason: RegExp): Promise<void> {
  await until(
    async () => {
      const { state, reason: told } = await host.agent.status()
      expect({ state, reason: told }).toEqual({ state: 'HOLDING', reason: expect.stringMatching(reason) })
      return true
    },
    { what: `${host.name} to hold`, deadline: 20_000 },
  )
  const status = await host.overlayctl('status')
  expect(status.exitCode).toBe(1)
  expect(status.stderr).toMatch(/the agent of this host is HOLDING: /)
  const sandbox = await lab.sandbox(`refused-${refused++}`)
  const attach = await host.overlayctl('attach', 'web', '--netns', sandbox.path)
  expect(attach.exitCode).toBe(1)
  expect(attach.stderr).toMatch(reason)
  await sandbox.delete()
}

let refused = 0
