import { pino } from 'pino'
import { expect, it } from 'vitest'
import { AgentMessage } from '../proto/index.ts'
import { AgentLinks } from './agent-links.ts'

it('refuses questions at once when the stream has ended, but not yet been left', async () => {
  const links = new AgentLinks(pino({ level: 'silent' }))
  let breakOff = () => {}
  const broken = new Promise<void>((resolve) => {
    breakOff = resolve
  })
  async function* messages() {
    yield AgentMessage.create({ hello: { node: 'n1' } })
    await broken
  }
  const never = new AbortController().signal
  const stream = links.connect(messages(), never)
  const taken = stream.next()
  const connected = new Promise<void>((resolve) => links.onChange(resolve))
  await connected
  const first = links.ask('n1', {}, never)
  // From here on the other side reads no more.
  await taken
  breakOff()
  await expect(first).rejects.toMatchObject({ code: 'unavailable' })
  expect(links.isConnected('n1')).toBe(true)
  await expect(links.ask('n1', {}, never)).rejects.toMatchObject({ code: 'unavailable' })
  await stream.return()
  expect(links.isConnected('n1')).toBe(false)
})
