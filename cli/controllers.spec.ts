import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { OverlayError } from '../lib/errors.ts'
import { Event } from '../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from './testing/cluster.ts'
import { invoke } from './testing/invoke.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function fakeCluster(answers?: Answers): Promise<FakeCluster> {
  const cluster = await startFakeCluster(answers)
  cleanups.push(() => cluster.close())
  return cluster
}

/** As a frozen program: connections are accepted, and that is all. */
async function frozen(onConnection: (socket: Socket) => void = () => undefined): Promise<string> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

const refusing = '127.0.0.1:1'
const ask = (line: string, ...controllers: string[]) =>
  invoke(undefined, [...line.split(' '), '--controller', controllers.join(',')])

it('asks the next one when there is no connection to one', async () => {
  const { controller, calls } = await fakeCluster()
  expect(await ask('node rm host2', refusing, controller)).toEqual({
    code: 0,
    stdout: 'removed node host2 and released 2 endpoints\n',
    stderr: '',
  })
  expect(calls).toHaveLength(1)
})

it('asks the next one when one is frozen, also to change something: nothing was sent', async () => {
  const [{ controller, calls }, stopped] = [await fakeCluster(), await frozen()]
  expect((await ask('node rm host2', stopped, controller)).code).toBe(0)
  expect((await ask('status', stopped, controller)).stdout).toContain(`Controller:   ${controller} answers`)
  expect(calls.map(({ method }) => method)).toEqual(['nodes.remove'])
})

it('stays with the one that answered', async () => {
  const [{ calls, controller }, second] = [await fakeCluster(), await fakeCluster()]
  await ask('node rm host1 host2 host3', refusing, controller, second.controller)
  expect(calls).toHaveLength(3)
  expect(second.calls).toEqual([])
})

it('takes the first that is there for a stream, too', async () => {
  const { controller } = await fakeCluster()
  for (const absent of [refusing, await frozen()]) {
    const { stdout, stderr } = await ask('events -o name', absent, controller)
    expect(stdout).toBe('network/web\nnode/host2\n')
    expect(stderr).toContain(`the controller at ${controller} ended the stream`)
  }
})

/** Its own name is what it tells; then its stream goes on until it is ended, or broken by `close`. */
async function teller(name: string) {
  const over = new AbortController()
  let told = () => {}
  const watched = new Promise<void>((resolve) => {
    told = resolve
  })
  const cluster = await fakeCluster({
    events: {
      async *watch() {
        yield Event.create({ time: '2026-03-02T10:00:00.000Z', action: 'LIVE', node: { name } })
        told()
        await once(over.signal, 'abort')
      },
    },
  })
  return { ...cluster, watched, end: () => over.abort() }
}

it('goes on with a stream at the next one, whether it ends or breaks, until none is left', async () => {
  const [first, second, third] = [await teller('first'), await teller('second'), await teller('third')]
  const running = ask('events -o name', first.controller, second.controller, refusing, third.controller)
  await first.watched
  first.end()
  await second.watched
  await second.close()
  await third.watched
  await first.close()
  third.end()
  const { code, stdout, stderr } = await running
  expect(stdout).toBe('node/first\nnode/second\nnode/third\n')
  expect(code).toBe(1)
  expect(stderr.trimEnd().split('\n')).toEqual([
    expect.stringMatching(`^warning: the controller at ${first.controller} ended the stream: asking the next one; `),
    expect.stringMatching(`^warning: the connection to the controller at ${second.controller} broke `),
    expect.stringMatching(`^warning: the controller at ${third.controller} ended the stream: `),
    expect.stringMatching(`^overlayctl: the controller at ${third.controller} ended the stream: start `),
  ])
})

it('says of a stream that broke which others could not be reached', async () => {
  const only = await teller('only')
  const running = ask('events', refusing, only.controller)
  await only.watched
  await only.close()
  const { code, stderr } = await running
  expect(code).toBe(1)
  expect(stderr).toContain(`overlayctl: the connection to the controller at ${only.controller} broke`)
  expect(stderr).toContain(`; no other can be reached: ${refusing} (connection refused)`)
})

it('goes on with a list that is watched, which is read anew at once', async () => {
  const [first, second] = [await teller('first'), await teller('second')]
  const interrupt = new AbortController()
  const argv = ['ls', '--watch', '-o', 'name', '--controller', [first.controller, second.controller].join()]
  const running = invoke(undefined, argv, { interrupted: interrupt.signal })
  await first.watched
  await first.close()
  await second.watched
  await vi.waitFor(() => expect(second.calls.map(({ method }) => method)).toContain('networks.list'))
  interrupt.abort('SIGINT')
  expect(await running).toMatchObject({ code: 130, stderr: '' })
})

it('never repeats what was sent', async () => {
  let hangUp = () => {}
  const hanging = await fakeCluster({
    nodes: {
      remove: () => {
        hangUp()
        return new Promise(() => undefined)
      },
    },
  })
  hangUp = () => void hanging.close()
  const other = await fakeCluster()
  const { code, stderr } = await ask('node rm host2 --timeout 5', refusing, hanging.controller, other.controller)
  expect(code).toBe(1)
  expect(stderr).toContain(`the connection to the controller at ${hanging.controller} broke`)
  expect(stderr).toContain(`before that, others could not be reached: ${refusing} (connection refused)`)
  expect(other.calls).toEqual([])
})

it('passes on a refusal, which another one would only repeat', async () => {
  const refuse = await fakeCluster({
    nodes: {
      remove: async () => {
        throw new OverlayError('unavailable', 'no etcd answers')
      },
    },
  })
  const other = await fakeCluster()
  const { stderr } = await ask('node rm host2', refuse.controller, other.controller)
  expect(stderr).toBe('overlayctl: no etcd answers\n')
  expect(other.calls).toEqual([])
})

it('names all that were tried', async () => {
  const stopped = await frozen()
  const { code, stderr } = await ask('ls --timeout 0.5', refusing, stopped, 'no-such-host.invalid:1')
  expect(code).toBe(1)
  expect(stderr).toBe(
    `overlayctl: none of the controllers can be reached: ${refusing} (connection refused), ${stopped} (no answer in 0.5 s), no-such-host.invalid:1 (its name cannot be resolved): start overlay-controller on one of these hosts, or name another with --controller HOST:PORT or OVERLAY_CONTROLLER\n`,
  )
  const status = await ask('status --timeout 0.5 --agent /nowhere', refusing, stopped)
  expect(status.stdout).toContain(`Controller:   ${refusing},${stopped} FAILED: does not answer\n`)
})

it.each([
  ['127.0.0.1:1,', '"" is not HOST:PORT'],
  ['127.0.0.1:1,x', '"x" is not HOST:PORT'],
  ['x,127.0.0.1:1,y', '"x", "y" are not HOST:PORT'],
])('refuses %s', async (text, why) => {
  const { code, stderr } = await ask('ls', text)
  expect(code).toBe(2)
  expect(stderr).toContain(`--controller: ${why}`)
})

it('reads them from the environment', async () => {
  const { controller } = await fakeCluster()
  const env = { OVERLAY_CONTROLLER: `${refusing}, ${controller}` }
  expect((await invoke(undefined, ['node', 'ls', '-o', 'name'], { env })).stdout).toBe('host1\nhost2\n')
})
