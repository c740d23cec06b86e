import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { beOnlyAgent } from './only-agent.ts'

it('refuses a second agent of the node until the first has ended', async () => {
  const uid = randomUUID()
  const first = await beOnlyAgent(uid, '/state')
  await expect(beOnlyAgent(uid, '/state')).rejects.toMatchObject({
    code: 'failed_precondition',
    message: 'another agent runs on the state directory /state: stop it, or give this one a --state-dir of its own',
  })
  const other = await beOnlyAgent(randomUUID(), '/other')
  first.close()
  await once(first, 'close')
  const next = await beOnlyAgent(uid, '/state')
  for (const server of [other, next]) server.close()
})
