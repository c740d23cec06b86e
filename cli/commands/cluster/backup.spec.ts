import { X509Certificate } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { paths } from '../../../lib/paths.ts'
import { parseFirstAuthority } from '../../../lib/pki/first-authority.ts'
import { type Answers, startFakeCluster } from '../../testing/cluster.ts'
import { createFakeHost, type FakeHost } from '../../testing/host.ts'
import { invoke } from '../../testing/invoke.ts'
import { type ManagedCluster, startManagedCluster } from '../../testing/managed.ts'

/** Each runs overlayctl several times, with keys that are made anew. */
const slow = { timeout: 30_000 }

let cluster: ManagedCluster | undefined
afterEach(() => cluster?.close())

/** tar of files in memory: the packed one holds the paths and contents. */
function withTar(host: FakeHost): FakeHost {
  const run = host.run
  host.run = async (program, args, options) => {
    const after = (flag: string) => args[args.indexOf(flag) + 1] ?? ''
    const directory = after('-C')
    if (program === 'tar' && args[0] === '-cf') {
      const names = args.slice(args.indexOf('-C') + 2)
      const content = names.map((name) => [name, host.read(`${directory}/${name}`).toString('base64')])
      await host.write(after('-cf'), JSON.stringify(content), { mode: 0o600 })
    } else if (program === 'tar') {
      for (const [name, content] of JSON.parse(host.read(after('-xf')).toString()) as [string, string][])
        await host.write(`${directory}/${name}`, Buffer.from(content, 'base64'), { mode: 0o600 })
    } else if (args[1] === 'restore')
      await host.write(`${args[3]?.replace('--data-dir=', '')}/member/snap/db`, host.read(args[2] ?? ''), {
        mode: 0o600,
      })
    return run(program, args, options)
  }
  return host
}

/** A host that has made a cluster, whose backup holds its real authority. */
async function withCluster() {
  const started = await startManagedCluster()
  cluster = started
  const host = withTar(createFakeHost({ ports: { controller: Number(started.controller.split(':')[1]) } }))
  const run = host.run
  host.run = async (program, args, options) => {
    if (args.join(' ') === 'restart overlay-controller.service' && host.exists(paths.firstAuthority))
      await started.adopt(host.read(paths.firstAuthority).toString(), host.read(paths.sealingKey))
    return run(program, args, options)
  }
  expect(await invoke(started, ['cluster', 'init'], { host })).toMatchObject({ code: 0 })
  return { host, cluster: started }
}

/** The admin's connection goes to a controller in clear, which saves these authorities. */
async function backup(host: FakeHost, flags: readonly string[] = [], snapshot?: Answers['controlPlane']) {
  const { authorities } = parseFirstAuthority(host.read(paths.firstAuthority).toString())
  const source = await startFakeCluster({
    controlPlane: snapshot ?? {
      snapshot: async function* () {
        yield { data: Buffer.from('one'), authorities: null }
        yield { data: Buffer.from('two'), authorities }
      },
    },
  })
  try {
    await host.remove(paths.clientConfig)
    return await invoke(source, ['cluster', 'backup', '/root/b.tar', ...flags, '--tls-ca', ''], { host })
  } finally {
    await source.close()
  }
}

async function stop(host: FakeHost) {
  for (const unit of ['overlay-etcd.service', 'overlay-controller.service', 'overlay-agent.service'])
    await host.run('systemctl', ['stop', unit])
}

it(
  'is written for root only, and comes back on a stopped host with the same authority and identity',
  slow,
  async () => {
    const { host, cluster } = await withCluster()
    const saved = await backup(host)
    expect(saved).toEqual({ code: 0, stdout: 'saved cluster c0ffee at revision 42 to /root/b.tar\n', stderr: '' })
    expect(host.ran).toContain('chmod 0600 /root/.temporary/backup.tar')
    expect(host.listing().filter((line) => line.startsWith('/root'))).toEqual(['/root/b.tar 0600'])
    await stop(host)
    const [authority, name] = [host.read(`${paths.controllerTls}/ca.crt`), subject(host)]
    const restored = await invoke(cluster, ['cluster', 'restore', '/root/b.tar'], { host })
    expect(restored).toMatchObject({ code: 0, stdout: expect.stringContaining('overlayctl node resync --all') })
    expect(host.read(`${paths.etcdData}/member/snap/db`).toString()).toBe('onetwo')
    expect(host.read(`${paths.controllerTls}/ca.crt`)).toEqual(authority)
    expect(subject(host)).toBe(name)
    expect(host.exists(`${paths.controllerState}.before-20260302T100000Z/sealing.key`)).toBe(true)
    expect(host.ran).toContain('chown -R overlay-etcd:overlay-etcd /var/lib/overlay/etcd')
    expect(host.running.size).toBe(4)
  },
)

it(
  'brings back what all controllers have the same, and leads the agent that is here to the new address',
  slow,
  async () => {
    const { host, cluster } = await withCluster()
    const add = (path: string, more: string) =>
      host.write(path, `${host.read(path).toString()}${more}`, { mode: 0o644 })
    await add(paths.controllerConfig, 'pool: [ "10.7.0.0/16:24" ]\ncertificateLife: "86400"\n')
    expect(await backup(host)).toMatchObject({ code: 0 })
    await stop(host)
    const agent = parse(host.read(paths.agentConfig).toString()) as object
    await host.write(paths.agentConfig, stringify({ ...agent, etcd: 'https://192.0.2.99:2379' }), { mode: 0o644 })
    expect(await invoke(cluster, ['cluster', 'restore', '/root/b.tar'], { host })).toMatchObject({ code: 0 })
    expect(parse(host.read(paths.controllerConfig).toString())).toMatchObject({
      pool: ['10.7.0.0/16:24'],
      certificateLife: '86400',
    })
    const certificate = new X509Certificate(host.read(`${paths.controllerTls}/tls.crt`))
    expect(Date.parse(certificate.validTo) - Date.now()).toBeLessThan(86_500_000)
    expect(parse(host.read(paths.agentConfig).toString())).toEqual({ ...agent, etcd: 'https://192.0.2.10:2379' })
  },
)

function subject(host: FakeHost): string {
  return new X509Certificate(host.read(`${paths.controllerTls}/tls.crt`)).subject
}

it('leaves no file when it breaks off, and replaces none', slow, async () => {
  const { host } = await withCluster()
  const broken = await backup(host, [], {
    snapshot: async function* () {
      yield { data: Buffer.from('one'), authorities: null }
    },
  })
  expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('broke off') })
  expect(host.listing().filter((line) => line.startsWith('/root'))).toEqual([])
  await host.write('/root/b.tar', 'precious', { mode: 0o600 })
  expect(await backup(host)).toMatchObject({ code: 1, stderr: expect.stringContaining('is there already') })
  expect(host.read('/root/b.tar').toString()).toBe('precious')
})

it('without the key is restored with it only', slow, async () => {
  const { host, cluster } = await withCluster()
  expect(await backup(host, ['--without-key'])).toMatchObject({ code: 0 })
  await host.write('/safe/key', host.read(paths.sealingKey), { mode: 0o600 })
  await stop(host)
  const restore = (...flags: string[]) => invoke(cluster, ['cluster', 'restore', '/root/b.tar', ...flags], { host })
  const before = host.listing()
  expect(await restore()).toMatchObject({ code: 1, stderr: expect.stringContaining('--sealing-key') })
  expect(host.listing()).toEqual(before)
  expect(await restore('--sealing-key', '/safe/key')).toMatchObject({ code: 0 })
})

it.each([
  ['is none', '[]', 'is no backup of a cluster'],
  ['is damaged', undefined, 'is damaged: etcd.db in it is not what was saved'],
])('is not restored when it %s; all stays as it was', slow, async (_, content, message) => {
  const { host, cluster } = await withCluster()
  await backup(host)
  const text = host.read('/root/b.tar').toString()
  const wrong =
    content ?? text.replace(Buffer.from('onetwo').toString('base64'), Buffer.from('onetwx').toString('base64'))
  await host.write('/root/b.tar', wrong, { mode: 0o600 })
  await stop(host)
  const before = host.listing()
  expect(await invoke(cluster, ['cluster', 'restore', '/root/b.tar'], { host })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(message),
  })
  expect(host.listing()).toEqual(before)
})

it('is not restored beside a control plane that runs', slow, async () => {
  const { host, cluster } = await withCluster()
  expect(await invoke(cluster, ['cluster', 'restore', '/root/b.tar'], { host })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('overlay-controller.service runs on this host: stop the control plane first'),
  })
})
