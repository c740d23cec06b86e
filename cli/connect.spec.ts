import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { type FakeCluster, startFakeCluster } from './testing/cluster.ts'
import { invoke } from './testing/invoke.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function fakeCluster(...args: Parameters<typeof startFakeCluster>): Promise<FakeCluster> {
  const cluster = await startFakeCluster(...args)
  cleanups.push(() => cluster.close())
  return cluster
}

/** A TCP server that does what it is told with each connection. */
async function rawServer(onConnection: Parameters<typeof createServer>[1]): Promise<string> {
  const server: Server = createServer(onConnection)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const sockets = new Set<{ destroy(): unknown }>()
  server.on('connection', (socket) => sockets.add(socket))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

it('names the controller that refuses the connection, and what to start', async () => {
  expect(await invoke(undefined, ['ls', '--controller', '127.0.0.1:1'])).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'overlayctl: cannot reach the controller at 127.0.0.1:1 (connection refused): start overlay-controller, or name another with --controller HOST:PORT or OVERLAY_CONTROLLER\n',
  })
})

it('tells more with -v', async () => {
  const { stderr } = await invoke(undefined, ['-v', 'ls', '--controller', '127.0.0.1:1'])
  expect(stderr.split('\n').slice(1)).toEqual([
    '  code: unavailable',
    '  controller: 127.0.0.1:1',
    expect.stringMatching(/^ {2}cause: 14 UNAVAILABLE: No connection established\. Last error: .*ECONNREFUSED/),
    '',
  ])
})

it('names a socket that is not there, and one that nobody listens on', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'overlayctl-'))
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'agent.sock')
  const attach = () => invoke(undefined, ['attach', 'web', '--netns', 'c1', '--agent', path])
  const advice = 'start overlay-agent on this host, or name another socket with --agent PATH or OVERLAY_AGENT\n'
  expect(await attach()).toEqual({
    code: 1,
    stdout: '',
    stderr: `overlayctl: cannot reach the agent: there is no socket ${path}: ${advice}`,
  })
  const cluster = await fakeCluster()
  const gone = await invoke({ ...cluster, agent: '/dev/null' }, ['attach', 'web', '--netns', 'c1'])
  expect(gone.stderr).toBe(`overlayctl: cannot reach the agent at /dev/null (connection refused): ${advice}`)
})

it('says that a name cannot be resolved', async () => {
  const { code, stderr } = await invoke(undefined, ['ls', '--controller', 'no-such-host.invalid:4780'])
  expect(code).toBe(1)
  expect(stderr).toBe(
    "overlayctl: the controller's name in no-such-host.invalid:4780 cannot be resolved: name another with --controller HOST:PORT or OVERLAY_CONTROLLER\n",
  )
})

it('says who did not answer in how many seconds', async () => {
  const cluster = await fakeCluster({ networks: { list: () => new Promise(() => undefined) } })
  const { code, stderr } = await invoke(cluster, ['ls', '--timeout', '0.2'])
  expect(code).toBe(1)
  expect(stderr).toBe(
    `overlayctl: the controller at ${cluster.controller} did not answer in 0.2 s: see whether overlay-controller is well, or allow more with --timeout SECONDS\n`,
  )
})

it('says so too when the connection itself hangs', async () => {
  const address = await rawServer(() => undefined)
  const { stderr } = await invoke(undefined, ['ls', '--timeout', '0.2', '--controller', address])
  expect(stderr).toMatch(new RegExp(`the controller at ${address} did not answer in 0\\.2 s`))
})

it.each([
  ['hangs up', (socket: { destroy(): unknown }) => socket.destroy()],
  ['speaks something else', (socket: { end(text: string): unknown }) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
])('doubts a server that %s', async (_, onConnection) => {
  const address = await rawServer(onConnection)
  const { code, stderr } = await invoke(undefined, ['ls', '--controller', address, '--timeout', '3'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^overlayctl: (cannot reach|the connection to) the controller at 127.*\n$/)
})

it('passes on what the controller itself says is unavailable', async () => {
  const cluster = await fakeCluster({
    networks: {
      list: async () => {
        throw new OverlayError('unavailable', 'no etcd answers at http://127.0.0.1:2379')
      },
    },
  })
  expect((await invoke(cluster, ['ls'])).stderr).toBe('overlayctl: no etcd answers at http://127.0.0.1:2379\n')
})

it('makes one line of many', async () => {
  const cluster = await fakeCluster({
    networks: {
      list: async () => {
        throw new OverlayError('invalid', 'first\n  second\n')
      },
    },
  })
  expect((await invoke(cluster, ['ls'])).stderr).toBe('overlayctl: first; second\n')
})

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])('ends quietly at %s during a call', async (signal, code) => {
  const interrupt = new AbortController()
  const cluster = await fakeCluster({
    networks: {
      list: () => {
        interrupt.abort(signal)
        return new Promise(() => undefined)
      },
    },
  })
  expect(await invoke(cluster, ['ls'], { interrupted: interrupt.signal })).toEqual({ code, stdout: '', stderr: '' })
})
