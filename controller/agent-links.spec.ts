import { pino } from 'pino'
import { expect, it } from 'vitest'
import { AgentMessage, Question } from '../proto/index.ts'
import { AgentLinks } from './agent-links.ts'

const never = new AbortController().signal
const silence = new Promise<void>(() => undefined)

/** The stream of an agent that says hello, and then nothing until `ended`. */
function stream(links: AgentLinks, ended: Promise<void> = silence) {
  async function* messages() {
    yield AgentMessage.create({ hello: { node: 'n1' } })
    await ended
  }
  return links.connect(messages(), never)
}

/** With what it reads next, which is not there yet. */
async function connected(links: AgentLinks, ended?: Promise<void>) {
  const connection = stream(links, ended)
  const come = new Promise<void>((resolve) => links.onChange(resolve))
  const taken = connection.next()
  await come
  return { connection, taken }
}

const agentLinks = () => new AgentLinks(pino({ level: 'silent' }))

it('refuses questions at once when the stream has ended, but not yet been left', async () => {
  const links = agentLinks()
  let breakOff = () => {}
  const broken = new Promise<void>((resolve) => {
    breakOff = resolve
  })
  const { connection, taken } = await connected(links, broken)
  const first = links.ask('n1', {}, never)
  // From here on the other side reads no more.
  await taken
  breakOff()
  await expect(first).rejects.toMatchObject({ code: 'unavailable' })
  expect(links.isConnected('n1')).toBe(true)
  await expect(links.ask('n1', {}, never)).rejects.toMatchObject({ code: 'unavailable' })
  await connection.return()
  expect(links.isConnected('n1')).toBe(false)
})

it('tells the agent when whoever asked has gone', async () => {
  const links = agentLinks()
  const { connection, taken } = await connected(links)
  const caller = new AbortController()
  const asked = links.ask('n1', { attach: { network: 'web' } }, caller.signal)
  expect((await taken).value).toMatchObject({ id: 1, attach: { network: 'web' } })
  caller.abort()
  await expect(asked).rejects.toMatchObject({ code: 'deadline' })
  expect((await connection.next()).value).toEqual(Question.create({ id: 1, givenUp: {} }))
})

it('does not send what nobody waits for any more', async () => {
  const links = agentLinks()
  const { connection, taken } = await connected(links)
  const caller = new AbortController()
  const asked = ['a', 'b', 'c'].map((network) => links.ask('n1', { attach: { network } }, caller.signal))
  await taken
  caller.abort()
  await expect(links.ask('n1', { attach: { network: 'd' } }, caller.signal)).rejects.toMatchObject({ code: 'deadline' })
  for (const each of asked) await expect(each).rejects.toMatchObject({ code: 'deadline' })
  void links.ask('n1', { verify: {} }, never).catch(() => undefined)
  expect((await connection.next()).value).toMatchObject({ id: 1, givenUp: {} })
  expect((await connection.next()).value).toMatchObject({ id: 4, verify: {} })
})

it('ends a stream without a hello when the server closes', async () => {
  const closing = new AbortController()
  async function* messages() {
    await silence
    yield AgentMessage.create({})
  }
  const first = agentLinks().connect(messages(), closing.signal).next()
  closing.abort()
  expect((await first).done).toBe(true)
})

it('ends a stream whose hello comes as the server closes', async () => {
  const links = agentLinks()
  const closing = new AbortController()
  async function* messages() {
    yield AgentMessage.create({ hello: { node: 'n1' } })
    await silence
  }
  closing.abort()
  expect((await links.connect(messages(), closing.signal).next()).done).toBe(true)
  expect(links.isConnected('n1')).toBe(false)
})
