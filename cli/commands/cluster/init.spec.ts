import { X509Certificate } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { paths } from '../../../lib/paths.ts'
import { parseFirstAuthority } from '../../../lib/pki/first-authority.ts'
import { identityOf } from '../../../lib/pki/identity.ts'
import { createFakeHost, type FakeHost, type FakeHostOptions } from '../../testing/host.ts'
import { invoke } from '../../testing/invoke.ts'
import { type ManagedCluster, type ManagedOptions, startManagedCluster } from '../../testing/managed.ts'

/** Each runs overlayctl several times, with keys that are made anew. */
const slow = { timeout: 30_000 }

let cluster: ManagedCluster | undefined
afterEach(async () => {
  await cluster?.close()
  cluster = undefined
})

/** A host on which the controller, once started, is the fake one with the authority that was made. */
async function freshHost(
  options: FakeHostOptions = {},
  answers: ManagedOptions = {},
): Promise<{ host: FakeHost; cluster: ManagedCluster }> {
  const started = await startManagedCluster(answers)
  cluster = started
  const host = createFakeHost({ ...options, ports: { controller: Number(started.controller.split(':')[1]) } })
  const run = host.run
  host.run = async (program, args) => {
    if (program === 'systemctl' && args.join(' ') === 'restart overlay-controller.service')
      await started.adopt(host.read(paths.firstAuthority).toString(), host.read(paths.sealingKey))
    return run(program, args)
  }
  return { host, cluster: started }
}

it('makes a cluster, in order, and prints the join line', slow, async () => {
  const { host, cluster } = await freshHost()
  const { code, stdout, stderr } = await invoke(cluster, ['cluster', 'init'], { host })
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr:
      'making the authority and the first certificates\nstarting etcd\nstarting the controller\nstarting the agent\n',
  })
  expect(stdout).toMatch(
    /^ {2}overlayctl cluster join 192\.0\.2\.10:\d+ --token overlay1\.[0-9a-f]{8}\.[0-9a-f]{32}\.[0-9a-f]{64}$/m,
  )
  expect(stdout).toContain('good for 100 hosts until 2026-03-02 11:00 UTC')
  expect(host.ran.filter((line) => /systemctl (enable|restart)/.test(line))).toEqual(
    ['overlay-etcd.service', 'overlay-etcd-trust.path', 'overlay-controller.service', 'overlay-agent.service'].flatMap(
      (unit) => [`systemctl enable --quiet ${unit}`, `systemctl restart ${unit}`],
    ),
  )
})

it('leaves no secret to anybody but its user, and none in what it prints but the token', slow, async () => {
  const { host, cluster } = await freshHost()
  const { stdout, stderr } = await invoke(cluster, ['cluster', 'init'], { host })
  expect(host.listing()).toEqual([
    '/etc/overlay/agent.yaml 0644 root:root',
    '/etc/overlay/controller.yaml 0644 root:root',
    '/etc/overlay/etcd.yaml 0644 root:root',
    '/etc/overlay/overlayctl.yaml 0644 root:root',
    '/var/lib/overlay/admin/ca.crt 0644 root:root',
    '/var/lib/overlay/admin/tls.crt 0644 root:root',
    '/var/lib/overlay/admin/tls.key 0600 root:root',
    '/var/lib/overlay/agent/tls/ca.crt 0644 root:root',
    '/var/lib/overlay/agent/tls/tls.crt 0644 root:root',
    '/var/lib/overlay/agent/tls/tls.key 0600 root:root',
    '/var/lib/overlay/controller/first-authority.json 0600 overlay-controller:overlay-controller',
    '/var/lib/overlay/controller/sealing.key 0600 overlay-controller:overlay-controller',
    '/var/lib/overlay/controller/tls/ca.crt 0644 overlay-controller:overlay-controller',
    '/var/lib/overlay/controller/tls/tls.crt 0644 overlay-controller:overlay-controller',
    '/var/lib/overlay/controller/tls/tls.key 0600 overlay-controller:overlay-controller',
    '/var/lib/overlay/etcd-tls/ca.crt 0640 overlay-controller:overlay-etcd',
    '/var/lib/overlay/etcd-tls/peer.crt 0640 overlay-controller:overlay-etcd',
    '/var/lib/overlay/etcd-tls/peer.key 0640 overlay-controller:overlay-etcd',
    '/var/lib/overlay/etcd-tls/server.crt 0640 overlay-controller:overlay-etcd',
    '/var/lib/overlay/etcd-tls/server.key 0640 overlay-controller:overlay-etcd',
  ])
  expect(host.directories.get(paths.controllerState)).toMatchObject({ mode: 0o700, user: 'overlay-controller' })
  expect(host.directories.get(paths.etcdData)).toMatchObject({ mode: 0o700, user: 'overlay-etcd' })
  expect(stdout + stderr).not.toContain('PRIVATE')
  for (const [path, { content }] of host.files)
    if (path.endsWith('.yaml')) expect(content.toString()).not.toMatch(/PRIVATE|overlay1/)
})

it('hands the first authority and its identities to the controller, and configures all three', slow, async () => {
  const { host, cluster } = await freshHost()
  await invoke(cluster, ['cluster', 'init', '--pool', '10.7.0.0/16:24', '--certificate-life', '120'], { host })
  const { identities } = parseFirstAuthority(host.read(paths.firstAuthority).toString())
  const admin = new X509Certificate(host.read(`${paths.adminTls}/tls.crt`))
  expect(identities.map(({ role, name, origin }) => [role, name, origin])).toEqual([
    ['controller', 'host1', 'init'],
    ['admin', 'host1', 'init'],
  ])
  expect(identityOf(admin)).toEqual({ role: 'admin', name: 'host1', id: identities[1]?.id })
  expect(Date.parse(admin.validTo) - Date.now()).toBeLessThan(121_000)
  const config = (path: string) => parse(host.read(path).toString()) as Record<string, unknown>
  expect(config(paths.controllerConfig)).toMatchObject({
    advertise: expect.stringMatching(/^192\.0\.2\.10:/),
    etcd: 'https://192.0.2.10:2379',
    etcdTls: paths.etcdTls,
    sealingKey: paths.sealingKey,
    pool: ['10.7.0.0/16:24'],
    certificateLife: '120',
  })
  expect(config(paths.etcdConfig)).toMatchObject({
    name: 'host1',
    'initial-cluster': 'host1=https://192.0.2.10:2380',
    'initial-cluster-state': 'new',
    'listen-client-urls': 'https://192.0.2.10:2379,https://127.0.0.1:2379',
    PeerTLSInfo: { AllowedCN: 'etcd-peer' },
  })
  expect(config(paths.agentConfig)).toMatchObject({ node: 'host1', vtepAddress: '192.0.2.10' })
})

const eth = (address: string, name = 'eth0') => ({ interface: name, address })
describe('is refused before anything is changed', () => {
  it.each<[string, FakeHostOptions, string, string]>([
    ['without root', { root: false }, '', 'run it as root'],
    ['without systemd', { systemd: false }, '', 'not run by systemd'],
    ['without the package', { package: false }, '', 'install the package'],
    [
      'in a cluster already',
      { files: { [paths.agentConfig]: '' } },
      '',
      'part of a cluster already (/etc/overlay/agent.yaml): overlayctl cluster leave takes it out',
    ],
    ['called localhost', { hostname: 'localhost' }, '', 'hostnamectl set-hostname NAME'],
    ['with a name that is none', { hostname: 'Host_1' }, '', 'give --name'],
    ['at a loopback address', {}, '--advertise 127.0.0.1', 'other hosts cannot reach this one by it'],
    ['at any address', {}, '--advertise 0.0.0.0', 'other hosts cannot reach this one by it'],
    [
      "at another host's address",
      {},
      '--advertise 192.0.2.99',
      'this host does not have that address (it has 192.0.2.10 on eth0)',
    ],
    [
      "behind VirtualBox's NAT",
      { addresses: [eth('10.0.2.15'), eth('192.168.56.11', 'eth1')], defaultSource: '10.0.2.15' },
      '',
      'name an address with --advertise (it has 192.168.56.11 on eth1)',
    ],
    [
      'without a default route',
      { addresses: [eth('192.0.2.1'), eth('192.0.2.2', 'eth1')], defaultSource: undefined },
      '',
      'no default route',
    ],
    [
      'beside another etcd',
      { listeners: { 2379: 'etcd' } },
      '',
      'systemctl disable --now etcd), or have it used with --etcd',
    ],
    ['beside a port in use', { listeners: { 2380: '' } }, '', 'TCP port 2380 is taken on this host by another program'],
    ['with two VTEPs', {}, '--vtep-address 192.0.2.10 --vtep-interface eth0', 'not both'],
    ['with files for no etcd', { files: { 'ca.crt': 'x' } }, '--etcd-ca ca.crt', 'go with --etcd'],
    ['with a URL that is none', {}, '--etcd 10.0.0.5:2379', 'is not a URL of etcd'],
  ])('%s', slow, async (_, options, flags, message) => {
    const host = createFakeHost(options)
    const before = host.listing()
    const { code, stderr } = await invoke(undefined, ['cluster', 'init', ...flags.split(' ').filter(Boolean)], { host })
    expect(stderr).toContain(message)
    expect(code).toBe(1)
    expect(host.listing()).toEqual(before)
    expect(host.running.size + host.directories.size).toBe(0)
  })
})

it('says which address it takes, where there are several', slow, async () => {
  const addresses = [eth('192.0.2.10'), eth('198.51.100.7', 'eth1'), eth('172.17.0.1', 'docker0')]
  const { host, cluster } = await freshHost({ addresses })
  const { code, stderr } = await invoke(cluster, ['cluster', 'init'], { host })
  expect(code).toBe(0)
  expect(stderr).toContain(
    '192.0.2.10 is advertised, by which its default route goes; name another with --advertise (it has 198.51.100.7 on eth1)',
  )
})

it('takes everything back when a unit fails, with the last line of its log', slow, async () => {
  const { host, cluster } = await freshHost({
    answer: (_, program, args) => {
      if (program === 'journalctl')
        return { stdout: 'cannot bind: address in use\noverlay-controller.service: Failed.\n' }
      return args.join(' ') === 'restart overlay-controller.service' ? { code: 1, stderr: 'Job failed.' } : undefined
    },
  })
  const { code, stdout, stderr } = await invoke(cluster, ['cluster', 'init'], { host })
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(
    'overlayctl: overlay-controller.service did not start: cannot bind: address in use (see: journalctl -u overlay-controller.service)\n',
  )
  expect(host.listing()).toEqual([])
  expect([...host.running, ...host.enabled]).toEqual([])
})

it('takes everything back after Ctrl-C', slow, async () => {
  const interrupt = new AbortController()
  const { host, cluster } = await freshHost({
    answer: (_, __, args) => {
      if (args.join(' ') === 'restart overlay-agent.service') interrupt.abort('SIGINT')
      return undefined
    },
  })
  const { code } = await invoke(cluster, ['cluster', 'init'], { host, interrupted: interrupt.signal })
  expect(code).toBe(130)
  expect(host.listing()).toEqual([])
  expect([...host.running]).toEqual([])
})

it('uses an etcd that somebody else runs', slow, async () => {
  const { host, cluster } = await freshHost({
    listeners: { 2379: 'etcd' },
    files: { '/root/ca': 'CA', '/root/c': 'C', '/root/k': 'K' },
  })
  const flags = [
    '--etcd',
    'https://10.0.0.5:2379',
    '--etcd-ca',
    '/root/ca',
    '--etcd-cert',
    '/root/c',
    '--etcd-key',
    '/root/k',
  ]
  const { code } = await invoke(cluster, ['cluster', 'init', ...flags], { host })
  expect(code).toBe(0)
  expect([...host.running].toSorted()).toEqual(['overlay-agent.service', 'overlay-controller.service'])
  const config = parse(host.read(paths.controllerConfig).toString()) as Record<string, unknown>
  expect(config).toMatchObject({ etcd: 'https://10.0.0.5:2379', etcdCa: `${paths.controllerTls}/etcd-ca.crt` })
  expect(config).not.toHaveProperty('etcdTls')
  expect(host.files.get(`${paths.agentTls}/etcd.key`)).toMatchObject({ access: { mode: 0o600, user: 'root' } })
})
