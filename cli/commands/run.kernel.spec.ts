import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import type { AttachRequest, DetachRequest } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { endpoint } from '../testing/records.ts'

const main = join(import.meta.dirname, '../main.ts')

let cluster: FakeCluster
const start = async (answers?: Answers) => {
  cluster = await startFakeCluster(answers)
}
afterEach(() => cluster.close())

/** overlayctl as a process of its own, without a terminal. */
function overlayctl(...args: string[]) {
  return execa(process.execPath, ['--import', 'tsx', main, 'run', '--agent', cluster.agent, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
  })
}

/** The namespace's identity, seen while the agent attaches. */
const inode = ({ netns = '' }: AttachRequest) => readlinkSync(netns)

/** Attached and detached the same namespace, which is gone now. */
function expectCleanedUp() {
  const [attach, detach, ...more] = cluster.calls
  expect([attach?.method, detach?.method, ...more]).toEqual(['agent.attach', 'agent.detach'])
  const netns = (attach?.request as AttachRequest | undefined)?.netns ?? ''
  expect(detach?.request).toMatchObject({ network: 'web', netns } satisfies Partial<DetachRequest>)
  expect(() => readlinkSync(netns)).toThrow('ENOENT')
}

describe('run', () => {
  it('runs the command in the attached namespace, with lo up, and gives its exit code', async () => {
    let attached = ''
    await start({
      agent: {
        attach: async (request) => {
          attached = inode(request)
          return { endpoint, alreadyAttached: false }
        },
      },
    })
    const script = 'readlink /proc/self/ns/net; ip -o link show lo; echo oops >&2; exit 7'
    const options = ['--network', 'web', '--name', 'x', '--ip', '10.0.9.9', '--ifname', 'ov0']
    const { exitCode, stdout, stderr } = await overlayctl(...options, '--', 'sh', '-c', script)
    expect(stderr).toBe('oops')
    expect(exitCode).toBe(7)
    const [namespace, lo] = stdout.split('\n')
    expect(namespace).toBe(attached)
    expect(namespace).not.toBe(readlinkSync('/proc/self/ns/net'))
    expect(lo).toContain('LOOPBACK,UP')
    expect(cluster.calls[0]?.request).toMatchObject({
      network: 'web',
      name: 'x',
      addresses: ['10.0.9.9'],
      ifname: 'ov0',
    })
    expectCleanedUp()
  })

  it('tells of a command that is not there as a shell does', async () => {
    await start()
    const { exitCode, stderr } = await overlayctl('--network', 'web', '--', 'no-such-command-here')
    expect(exitCode).toBe(127)
    expect(stderr).toContain('no-such-command-here')
    expectCleanedUp()
  })

  it('gives 128 + n when a signal ended the command', async () => {
    await start()
    expect((await overlayctl('--network', 'web', '--', 'sh', '-c', 'kill -KILL $$')).exitCode).toBe(137)
    expectCleanedUp()
  })

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('passes on %s', async (signal, code) => {
    await start()
    const child = overlayctl('--network', 'web', '--', 'sh', '-c', 'echo started; exec sleep 60')
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill(signal)
    expect((await child).exitCode).toBe(code)
    expectCleanedUp()
  })

  it('leaves it to the command what a signal means', async () => {
    await start()
    const script = 'trap "echo caught; exit 3" TERM; echo started; while :; do :; done'
    const child = overlayctl('--network', 'web', '--', 'sh', '-c', script)
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill('SIGTERM')
    const { exitCode, stdout } = await child
    expect([exitCode, stdout]).toEqual([3, 'started\ncaught'])
    expectCleanedUp()
  })

  it('cleans up when attach is refused', async () => {
    await start({
      agent: {
        attach: async () => {
          throw new OverlayError('exhausted', 'network web has no free address')
        },
        detach: async () => {
          throw new OverlayError('not_found', 'nothing is attached there')
        },
      },
    })
    const { exitCode, stdout, stderr } = await overlayctl('--network', 'web', '--', 'echo', 'ran')
    expect([exitCode, stdout, stderr]).toEqual([1, '', 'overlayctl: network web has no free address'])
    expectCleanedUp()
  })

  it('cleans up when interrupted during attach', async () => {
    let attaching: () => void = () => undefined
    const asked = new Promise<void>((resolve) => {
      attaching = resolve
    })
    await start({
      agent: {
        attach: () => {
          attaching()
          return new Promise(() => undefined)
        },
      },
    })
    const child = overlayctl('--network', 'web', '--', 'echo', 'ran')
    await asked
    child.kill('SIGINT')
    const { exitCode, stdout, stderr } = await child
    expect([exitCode, stdout, stderr]).toEqual([130, '', ''])
    expectCleanedUp()
  })

  it('leaves nothing when there is no agent', async () => {
    await start()
    const args = ['run', '--agent', '/nowhere/agent.sock', '--network', 'web', '--', 'echo', 'ran']
    const { exitCode, stdout, stderr } = await execa(process.execPath, ['--import', 'tsx', main, ...args], {
      reject: false,
      stdin: 'ignore',
    })
    expect([exitCode, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^overlayctl: cannot reach the agent: there is no socket .*$/)
  })

  it('warns of what could not be detached', async () => {
    await start({
      agent: {
        detach: async () => {
          throw new OverlayError('internal', 'no')
        },
      },
    })
    const { exitCode, stderr } = await overlayctl('--network', 'web', '--', 'true')
    expect([exitCode, stderr]).toEqual([0, 'warning: the endpoint on web was not detached: no'])
  })

  describe('on several networks', () => {
    const several = ['--network', 'web', '--network', 'backend,ip=10.0.10.7,gw-priority=5', '--', 'echo', 'ran']
    const asked = () =>
      cluster.calls.map(({ method, request }) => `${method} ${(request as AttachRequest | DetachRequest).network}`)

    it('attaches in the order given, runs, and detaches all', async () => {
      await start({
        agent: { attach: async ({ network }) => ({ endpoint: { ...endpoint, network }, alreadyAttached: false }) },
      })
      const { exitCode, stdout } = await overlayctl(...several)
      expect([exitCode, stdout]).toEqual([0, 'ran'])
      expect(asked()).toEqual(['agent.attach web', 'agent.attach backend', 'agent.detach backend', 'agent.detach web'])
      const namespaces = cluster.calls.map(({ request }) => (request as AttachRequest).netns)
      expect(new Set(namespaces).size).toBe(1)
      expect(cluster.calls[1]?.request).toMatchObject({ addresses: ['10.0.10.7'], gwPriority: 5 })
    })

    it('runs nothing and detaches the first when the second is refused', async () => {
      await start({
        agent: {
          attach: async ({ network }) => {
            if (network === 'backend') throw new OverlayError('exhausted', 'network backend has no free address')
            return { endpoint, alreadyAttached: false }
          },
          detach: async ({ network }) => {
            if (network === 'backend') throw new OverlayError('not_found', 'nothing is attached there')
            return { endpoint, warning: '' }
          },
        },
      })
      const { exitCode, stdout, stderr } = await overlayctl(...several)
      expect([exitCode, stdout, stderr]).toEqual([1, '', 'overlayctl: network backend has no free address'])
      expect(asked()).toEqual(['agent.attach web', 'agent.attach backend', 'agent.detach backend', 'agent.detach web'])
    })

    it.each([
      [['--network', 'web', '--network', 'web'], '--network web is given twice: give each network once'],
      [
        ['--network', 'web', '--network', 'db', '--ip', '10.0.9.7'],
        '--ip is for one network, and there are 2: write it behind the network that it is for, as in --network web,ip=…',
      ],
      [
        ['--network', 'web,ip=10.0.9.7', '--ip', '10.0.9.8'],
        '--network "web,ip=10.0.9.7": --ip: an endpoint has at most one IPv4 and one IPv6 address, not 10.0.9.7, 10.0.9.8',
      ],
    ])('%j is wrong usage', async (options, message) => {
      await start()
      const { exitCode, stderr } = await overlayctl(...options, '--', 'true')
      expect([exitCode, stderr]).toEqual([2, `overlayctl: ${message}`])
      expect(cluster.calls).toEqual([])
    })
  })

  it('detaches by the name of a network that was named by its uid', async () => {
    await start()
    await overlayctl('--network', '7d1c6a5e', '--', 'true')
    expect(cluster.calls[0]?.request).toMatchObject({ network: '7d1c6a5e' })
    expectCleanedUp()
  })
})
