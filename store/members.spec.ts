import { createServer, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { parseEtcdUrls } from './endpoints.ts'
import { range } from './etcd-api.ts'
import { knockAt } from './member.ts'
import { Members, type MembersOptions } from './members.ts'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup()
})

/** As a frozen etcd: connections are accepted, and that is all. */
async function frozen(): Promise<string> {
  const sockets: Socket[] = []
  const server = createServer((socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

it('says of an etcd that takes connections, and no more, that it does not answer, and what to do', async () => {
  const url = await frozen()
  const options: MembersOptions = {
    endpoints: parseEtcdUrls([url], false),
    tls: undefined,
    callTimeout: 200,
    longestCall: 200,
    keepalive: { interval: 10_000, timeout: 5_000 },
  }
  const members = new Members(options)
  cleanups.push(() => members.close())
  const error = await members.read(range, knockAt('/any')).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'unavailable' })
  // Which of its clocks runs out first is chance.
  expect(String(error)).toMatch(
    /no etcd answers at http:\S+: .* in time\. Check that etcd runs there and that --etcd names it$/,
  )
})
