import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../../lib/errors.ts'
import { paths } from '../../../lib/paths.ts'
import { createFakeHost, type FakeHostOptions } from '../../testing/host.ts'
import { invoke } from '../../testing/invoke.ts'
import { type ManagedCluster, type ManagedOptions, startManagedCluster } from '../../testing/managed.ts'
import { member, securityStatus } from '../../testing/security.ts'

/** Each runs overlayctl several times, with keys that are made anew. */
const slow = { timeout: 30_000 }

let cluster: ManagedCluster | undefined
afterEach(() => cluster?.close())

const noEndpoints: ManagedOptions = { agent: { list: async () => ({ endpoints: [] }) } }
const twoMembers: ManagedOptions = {
  security: { get: async () => ({ ...securityStatus, members: [member('host1'), member('host9')] }) },
}

/** A host that has joined. */
async function joined(answers: ManagedOptions, controlPlane = false, options: FakeHostOptions = {}) {
  cluster = await startManagedCluster({ forControlPlane: true, ...answers })
  const host = createFakeHost({ ...options, ports: { controller: Number(cluster.controller.split(':')[1]) } })
  const line = ['cluster', 'join', cluster.controller, '--advertise', '192.0.2.10', '--token', cluster.token]
  const { stderr, code } = await invoke(cluster, controlPlane ? [...line, '--control-plane'] : line, { host })
  if (code !== 0) throw new Error(stderr)
  cluster.calls.splice(0)
  host.ran.splice(0)
  return { cluster, host }
}

it('takes a node out: the cluster forgets it, the kernel and the disk too', slow, async () => {
  const { cluster, host } = await joined(noEndpoints)
  expect(await invoke(cluster, ['cluster', 'leave'], { host })).toEqual({
    code: 0,
    stdout: 'host1 is no part of the cluster any more\n',
    stderr: 'removing what is on this host\n',
  })
  expect(cluster.calls).toEqual([
    { method: 'agent.list', request: {} },
    { method: 'nodes.remove', request: { name: 'host1', force: true } },
  ])
  expect(host.ran).toContain('overlay-agent --purge')
  expect(host.listing()).toEqual([])
  expect([...host.running, ...host.enabled]).toEqual([])
})

it('takes a host of the control plane out: its member first, its own identity last', slow, async () => {
  const { cluster, host } = await joined({ ...noEndpoints, ...twoMembers }, true)
  expect(await invoke(cluster, ['cluster', 'leave'], { host })).toMatchObject({ code: 0 })
  expect(cluster.calls.map(({ method }) => method)).toEqual([
    'agent.list',
    'security.get',
    'controlPlane.removeMember',
    'nodes.remove',
    'security.revoke',
  ])
  expect(host.listing()).toEqual([])
})

describe('is refused, and changes nothing:', () => {
  const away = async () => {
    throw new OverlayError('failed_precondition', 'the rest would have no majority')
  }
  it.each<[string, ManagedOptions, boolean, string]>([
    ['with workloads here', {}, false, 'workloads of this host are attached (client on web): detach them first'],
    ['the last of the control plane', noEndpoints, true, 'end the cluster with --destroy'],
    [
      'where the others need its etcd',
      { ...noEndpoints, ...twoMembers, controlPlane: { removeMember: away } },
      true,
      'the rest would have no majority',
    ],
  ])('%s', slow, async (_, answers, controlPlane, message) => {
    const { cluster, host } = await joined(answers, controlPlane)
    const before = [host.listing(), [...host.running].toSorted(), [...host.enabled]]
    const { code, stdout, stderr } = await invoke(cluster, ['cluster', 'leave'], { host })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(message)
    expect([host.listing(), [...host.running].toSorted(), [...host.enabled]]).toEqual(before)
  })

  it('without root, and without a cluster', slow, async () => {
    const leave = (options: FakeHostOptions) =>
      invoke(undefined, ['cluster', 'leave'], { host: createFakeHost(options) })
    expect((await leave({ root: false })).stderr).toContain('run it as root')
    expect((await leave({})).stderr).toBe('overlayctl: this host is not part of a cluster\n')
  })

  it('while no controller can be reached; --force says what is left to do', slow, async () => {
    const { cluster, host } = await joined(noEndpoints)
    const nowhere = ['--controller', '127.0.0.1:1']
    const refused = await invoke(cluster, ['cluster', 'leave', ...nowhere], { host })
    expect(refused.stderr).toContain("leave without the cluster's knowing with --force")
    expect(host.running.has('overlay-agent.service')).toBe(true)
    const forced = await invoke(cluster, ['cluster', 'leave', '--force', ...nowhere], { host })
    expect(forced).toMatchObject({ code: 0 })
    expect(forced.stdout).toContain('Left to do:\n  on another host: overlayctl node rm --force host1\n')
    expect(host.listing()).toEqual([])
  })
})

describe('goes on where a former one was cut short:', () => {
  const forgotten = async () => {
    throw new OverlayError('unauthenticated', 'the identity was revoked')
  }
  it('the cluster has forgotten the node', slow, async () => {
    const { cluster, host } = await joined({ ...noEndpoints, nodes: { remove: forgotten } })
    const { code, stderr } = await invoke(cluster, ['cluster', 'leave'], { host })
    expect(stderr).toContain('the cluster has forgotten this host already')
    expect(code).toBe(0)
    expect(host.listing()).toEqual([])
  })

  it('etcd has only the others left', slow, async () => {
    const gone = async () => {
      throw new OverlayError('not_found', 'etcd has no member host1')
    }
    const { cluster, host } = await joined(
      {
        ...noEndpoints,
        security: { get: async () => ({ ...securityStatus, members: [member('host9')] }) },
        controlPlane: { removeMember: gone },
      },
      true,
    )
    expect(await invoke(cluster, ['cluster', 'leave'], { host })).toMatchObject({ code: 0 })
    expect(host.listing()).toEqual([])
  })

  it('a set-up by half, whose identity is not there', slow, async () => {
    const host = createFakeHost({ files: { [paths.sealingKey]: 'x', [paths.etcdConfig]: '{}' } })
    const refused = await invoke(undefined, ['cluster', 'leave'], { host })
    expect(refused.stderr).toContain('this host cannot tell the cluster who it is')
    expect(refused.stderr).toContain('--force removes')
    expect(await invoke(undefined, ['cluster', 'leave', '--force'], { host })).toMatchObject({ code: 0 })
    expect(host.listing()).toEqual([])
  })
})

it('after Ctrl-C the agent runs again', slow, async () => {
  const interrupt = new AbortController()
  const { cluster, host } = await joined(noEndpoints)
  const run = host.run
  host.run = async (program, args) => {
    if (args.join(' ') === 'stop overlay-agent.service') interrupt.abort('SIGINT')
    return run(program, args)
  }
  const before = host.listing()
  const { code } = await invoke(cluster, ['cluster', 'leave'], { host, interrupted: interrupt.signal })
  expect(code).toBe(130)
  expect(host.running.has('overlay-agent.service')).toBe(true)
  expect(host.listing()).toEqual(before)
})

it('--destroy ends the cluster, and names the hosts that are left', slow, async () => {
  const { cluster, host } = await joined(noEndpoints, true)
  const { code, stdout } = await invoke(cluster, ['cluster', 'leave', '--destroy'], { host })
  expect(code).toBe(0)
  expect(stdout).toBe(
    'host1 is no part of the cluster any more, and the cluster has ended\nLeft to do:\n  on host2: overlayctl cluster leave --force\n',
  )
  expect(host.exists(paths.etcdData)).toBe(false)
})
