/** Who may be a node: addresses, sessions, sockets, flags. Names and addresses of others: H8 of the outage contract. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { program } from '../lab/program-path.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'
import { storedKey } from './store-content.ts'

let lab: Lab
let h1: Host
let h2: Host

beforeAll(async () => {
  lab = await startedLab({ hosts: 2 })
  h1 = lab.host(1)
  h2 = lab.host(2)
  await h2.agent.stop()
})
afterAll(() => lab?.down())

/** A second agent on the host, with files of its own; ends by itself or fails the test. */
async function runAgent(host: Host, flags: Readonly<Record<string, string>>) {
  const home = join(host.home, `second-${runs++}`)
  const all = {
    etcd: lab.etcd.url,
    node: 'second',
    'vtep-address': host.address,
    socket: join(home, 'agent.sock'),
    'state-dir': join(home, 'state'),
    ...flags,
  }
  const list = Object.entries(all).flatMap(([name, value]) => (value === '' ? [] : [`--${name}`, value]))
  const { stderr, exitCode } = await host.try([process.execPath, program('overlay-agent.cjs'), ...list], {
    timeout: 20_000,
  })
  return { stderr, exitCode }
}

let runs = 0

/** The line for a person; log lines stand around it. */
const refusal = (stderr: string) => stderr.split('\n').find((line) => line.startsWith('overlay-agent: ')) ?? stderr

test('an address that other hosts cannot reach, or that is not there: refused, naming the flag', async () => {
  await h2.exec('ip link add spare type bridge && ip address add 192.168.77.1/24 dev spare')
  const byInterface = (name: string) => runAgent(h2, { 'vtep-address': '', 'vtep-interface': name })
  const [loopback, wildcard, elsewhere, down, missing, localOnly] = await Promise.all([
    runAgent(h2, { 'vtep-address': '127.0.0.1' }),
    runAgent(h2, { 'vtep-address': '0.0.0.0' }),
    runAgent(h2, { 'vtep-address': '192.0.2.7' }),
    byInterface('spare'),
    byInterface('eth7'),
    byInterface('lo'),
  ])
  await h2.exec('ip link del spare')
  for (const { exitCode } of [loopback, wildcard, elsewhere, down, missing, localOnly]) expect(exitCode).toBe(1)
  expect(refusal(loopback.stderr)).toMatch(/--vtep-address 127\.0\.0\.1: other hosts cannot reach it/)
  expect(refusal(wildcard.stderr)).toMatch(/--vtep-address 0\.0\.0\.0: other hosts cannot reach it/)
  expect(refusal(elsewhere.stderr)).toContain(
    `192.0.2.7: no interface of this host that is up has it; it has ${h2.address}`,
  )
  expect(refusal(down.stderr)).toContain('--vtep-interface spare: is not up or not there; up are eth0')
  expect(refusal(missing.stderr)).toContain('--vtep-interface eth7: is not up or not there; up are eth0')
  expect(refusal(localOnly.stderr)).toContain('--vtep-interface lo: ')
})

test('the same state directory takes its session over at once, on the same boot', async () => {
  showHostsOnFailure(lab)
  const session = await storedKey(lab.etcd, 'sessions/h1')
  const node = await storedKey(lab.etcd, 'nodes/h1')
  await h1.agent.kill()
  const started = performance.now()
  await h1.agent.start()
  // The killed one's lease has 30 s.
  expect(performance.now() - started).toBeLessThan(15_000)
  const after = await storedKey(lab.etcd, 'sessions/h1')
  expect(after.modRevision).toBeGreaterThan(session.modRevision)
  expect(after.value).toMatchObject({ uid: session.value['uid'], bootId: session.value['bootId'] })
  expect(await storedKey(lab.etcd, 'nodes/h1')).toEqual(node)
})

test('a second agent on one socket is refused, and the first goes on', async () => {
  showHostsOnFailure(lab)
  const { stderr, exitCode } = await runAgent(h1, { socket: h1.agent.socket })
  expect(exitCode).toBe(1)
  expect(refusal(stderr)).toBe(`overlay-agent: another agent serves on ${h1.agent.socket}: stop it, or give --socket`)
  expect(await h1.agent.status()).toMatchObject({ state: 'READY' })
})

test('wrong flags: exit code 2, and every fault at once', async () => {
  const flags = {
    etcd: '',
    node: 'No_Name',
    'vtep-address': '10.0.0.300',
    'vxlan-port': '0',
    socket: 'relative.sock',
    'session-ttl': '1',
    prefix: 'overlay',
    'log-level': 'loud',
  }
  const { stderr, exitCode } = await runAgent(h1, flags)
  expect(exitCode).toBe(2)
  for (const flag of Object.keys(flags)) expect(stderr).toContain(`--${flag}: `)
  const both = await runAgent(h1, { 'vtep-interface': 'eth0' })
  expect(both.exitCode).toBe(2)
  expect(both.stderr).toContain('give either --vtep-address or --vtep-interface')
  const unknown = await runAgent(h1, { colour: 'blue' })
  expect(unknown.exitCode).toBe(2)
  expect(unknown.stderr).toContain("unknown option '--colour'")
})
