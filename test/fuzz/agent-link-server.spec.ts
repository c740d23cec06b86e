import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { whileServing } from './agent-link-server.ts'

it('serves while the action goes on, and lets nobody hang when that fails', async () => {
  let taken = 0
  const failing = whileServing(
    '127.0.0.1',
    () => undefined,
    async (port) => {
      taken = port
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.destroy()
      throw new Error('the store is away')
    },
  )
  await expect(failing).rejects.toThrow('the store is away')
  const [refusal] = (await once(connect(taken, '127.0.0.1'), 'error')) as [{ code: string }]
  expect(refusal.code).toBe('ECONNREFUSED')
})
