/** From bare hosts and a package to a ping across two of them, typed as the README has it; and what the hosts show then. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { until } from '../../lab/until.ts'
import { joinLineIn, overlayctlJson, untilNodesLive } from '../cluster.ts'
import type { NspawnHost } from './host.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { sightings } from './sightings.ts'
import { showHostsOnFailure, startedHosts, tell, timed } from './started-hosts.ts'
import { asksForCertificate, refusesTls12, refusesWithoutCertificate } from './tls-probe.ts'

/** Milliseconds, from `cluster init` to the first answer. */
const bound = 30_000
/** What docs/security.md says is open. */
const everyHost = ['udp 4789']
const controlPlane = ['tcp 2379', 'tcp 2380', 'tcp 4780', ...everyHost]
const units = ['overlay-etcd', 'overlay-controller', 'overlay-agent']

let lab: NspawnLab
let n1: NspawnHost, n2: NspawnHost, n3: NspawnHost
/** The part of the join token that is the secret. */
let secret: string | undefined

beforeAll(async () => {
  lab = await startedHosts({ hosts: 3, have: 'nothing' })
  ;[n1, n2, n3] = [lab.host(1), lab.host(2), lab.host(3)]
})
afterAll(() => lab?.down())

test('two commands make a cluster of bare hosts, and two more a network with a workload on each', async () => {
  showHostsOnFailure(lab)
  const { deb } = inject('nspawn')
  for (const host of lab.hosts) host.copyIn(deb, '/root/overlay.deb')
  await timed('install on three hosts', () =>
    Promise.all(lab.hosts.map((host) => host.exec('dpkg -i /root/overlay.deb'))),
  )
  for (const host of lab.hosts)
    expect((await host.try('systemctl is-enabled overlay-etcd overlay-controller overlay-agent')).stdout).toBe(
      'disabled\ndisabled\ndisabled',
    )

  const begun = performance.now()
  const { value: said } = await timed('cluster init', () => n1.exec('overlayctl cluster init'))
  const { controller, token } = joinLineIn(said)
  secret = token.split('.')[2] ?? token
  // By way of the shell's input, so that the token is on no other program's command line.
  const line = `overlayctl cluster join ${controller} --token ${token}\n`
  const watched = sightings(secret)
  await timed('cluster join on n2', () => n2.exec('sh', { input: line }))
  const seen = await watched.stop()
  expect(await n1.exec('overlayctl create --subnet 10.0.9.0/24 web -o name')).toBe('web')
  await n1.spawn('first', 'overlayctl run --network web --name a --ip 10.0.9.2 -- sleep infinity')
  const ping = 'overlayctl run --network web --name b -- ping -n -c 1 -W 1 10.0.9.2'
  await until(async () => (await n2.try(ping)).exitCode === 0, { what: 'the first ping', deadline: 60_000 })
  const took = performance.now() - begun
  // Told, and not demanded: the machine may have other work, of which a host of one's own has none.
  tell(`cluster init to the first ping across two hosts (${took < bound ? 'within' : 'OVER'} the bound of 30 s)`, took)
  expect(seen, 'milliseconds after its start at which the token was on a command line').toEqual([])
})

test('the token of init is good for further hosts, or another is made', async () => {
  showHostsOnFailure(lab)
  const { token } = await overlayctlJson<{ token: string }>(n1, 'cluster', 'token', 'create')
  await n3.exec(['overlayctl', 'cluster', 'join', 'n1:4780', '--token-file', '-'], { input: token })
  await untilNodesLive(n1, lab.hosts)
  await n3.spawn('third', 'overlayctl run --network web --name c -- sleep infinity')
  await until(async () => (await listens(n3)).includes('udp 4789'), { what: 'n3 to have a workload' })
  expect(await n1.exec('overlayctl status')).toContain('n3')
})

test('hosts listen on the documented ports, and each of TCP wants a certificate and TLS 1.3', async () => {
  await n2.spawn('second', 'overlayctl run --network web --name b2 -- sleep infinity')
  await until(async () => (await listens(n2)).includes('udp 4789'), { what: 'n2 to have a workload' })
  expect(await Promise.all(lab.hosts.map(listens))).toEqual([controlPlane, everyHost, everyHost])
  for (const port of [2379, 2380, 4780]) {
    const there = `${n1.address}:${port}`
    expect([port, await asksForCertificate(n2, there)]).toEqual([port, true])
    expect([port, await refusesTls12(n2, there)]).toEqual([port, true])
    if (port !== 4780) expect([port, await refusesWithoutCertificate(n2, there)]).toEqual([port, true])
  }
})

test('the agent is there for root and the group overlay only', async () => {
  for (const host of lab.hosts) {
    const modes = await host.exec("stat -c '%a %U:%G' /run/overlay /run/overlay/agent.sock")
    expect(modes).toBe('750 root:overlay\n660 root:overlay')
  }
  await n2.exec('useradd --groups overlay alice && useradd bob && ip netns add of-alice')
  const as = (user: string) =>
    n2.try(`setpriv --reuid ${user} --regid ${user} --init-groups overlayctl attach web --netns /run/netns/of-alice`)
  const refused = await as('bob')
  expect(refused.exitCode).toBe(1)
  expect(refused.stderr).toContain('group overlay')
  expect(await as('alice')).toMatchObject({ exitCode: 0 })
  await n2.exec('overlayctl detach web --netns /run/netns/of-alice && ip netns del of-alice')
})

test('no secret is where others can read it', async () => {
  if (secret === undefined) throw new Error('there was no token')
  const token = secret
  for (const host of lab.hosts) {
    // What somebody of no account finds, wherever programs of ours could write.
    const search = (what: string) =>
      `setpriv --reuid nobody --regid nogroup --clear-groups find /etc /var /run /tmp /root /home -readable -type f -exec grep -lsE -e '${what}' {} +`
    expect((await host.try(search('BEGIN [A-Z ]*PRIVATE KEY'))).stdout).toBe('')
    expect((await host.try(search(token))).stdout).toBe('')
    const readable = await host.try(
      `setpriv --reuid nobody --regid nogroup --clear-groups find /var/lib/overlay -type f -readable`,
    )
    expect(readable.stdout).toBe('')
    expect(await timesSeen(host, token, 'journalctl --no-pager')).toBe(0)
    expect(await timesSeen(host, token, 'cat /proc/*/environ /proc/*/cmdline')).toBe(0)
  }
})

test('the units are confined', async () => {
  const figures = new Map<string, number>()
  for (const unit of units) {
    const text = await n1.exec(`systemd-analyze security --no-pager ${unit}.service`)
    figures.set(unit, Number(/exposure level for \S+: ([\d.]+)/.exec(text)?.[1]))
  }
  console.log(`systemd-analyze security: ${[...figures].map(([unit, figure]) => `${unit} ${figure}`).join(', ')}`)
  expect(figures.get('overlay-controller')).toBeLessThan(4)
  expect(figures.get('overlay-etcd')).toBeLessThan(4)
  for (const unit of units) {
    const { stdout } = await n1.try(`systemctl show --property Type,NotifyAccess,WatchdogUSec,NoNewPrivileges ${unit}`)
    expect(stdout).toContain('Type=notify')
  }
})

/** Protocol and port of all sockets that wait for others. */
async function listens(host: NspawnHost): Promise<readonly string[]> {
  const lines = (await host.exec('ss -Hlntu')).split('\n')
  const found = lines
    .map((line) => line.split(/\s+/))
    .map(([kind, , , , local = '']) => `${kind} ${local.slice(local.lastIndexOf(':') + 1)}`)
  return [...new Set(found)].toSorted()
}

/** So many lines of what a command prints have the text, which is on no command line meanwhile. */
async function timesSeen(host: NspawnHost, text: string, command: string): Promise<number> {
  const script = `cat > /root/wanted; ${command} | grep --text --count --fixed-strings --file /root/wanted; rm /root/wanted`
  return Number(await host.exec(script, { input: text }))
}
