/**
 * Certificates that live for two minutes: what is open goes on through four
 * renewals, and through a change of the authority. The longest file of this
 * tier: it mostly waits.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LabProcess } from '../../lab/process.ts'
import { until } from '../../lab/until.ts'
import { makeCluster, untilNodesLive } from '../cluster.ts'
import type { NspawnHost } from './host.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { showHostsOnFailure, startedHosts, tell } from './started-hosts.ts'
import { expectNoLoss } from './steady.ts'
import { attachWorkload, detachWorkload, untilTheyTalk, type Workload } from './workload.ts'

/** Seconds. */
const life = 120
const renewals = 4

const state = '/var/lib/overlay'
const agentCert = `${state}/agent/tls/tls.crt`
const firstHostsCerts = ['controller/tls/tls.crt', 'etcd-tls/server.crt', 'etcd-tls/peer.crt', 'admin/tls.crt'].map(
  (file) => `${state}/${file}`,
)

let lab: NspawnLab
let n1: NspawnHost
let a: Workload, b: Workload
/** `overlayctl events`, as an admin and as a node: streams that are open all the time. */
let streams: readonly LabProcess[]

beforeAll(async () => {
  lab = await startedHosts({ hosts: 2 })
  n1 = lab.host(1)
  await makeCluster(lab.hosts, { flags: ['--certificate-life', String(life)] })
  await n1.exec('overlayctl create --subnet 10.0.9.0/24 web')
  a = await attachWorkload(n1, 'web', 'a')
  b = await attachWorkload(lab.host(2), 'web', 'b')
  await untilTheyTalk(a, b)
  streams = await Promise.all(lab.hosts.map((host) => host.spawn('events', 'exec overlayctl events')))
})
afterAll(() => lab?.down())

test(`${renewals} renewals: no packet is lost, no stream ends`, { timeout: renewals * life * 1_000 }, async () => {
  showHostsOnFailure(lab)
  const begun = performance.now()
  const watched = lab.hosts.flatMap((host) => certsOf(host).map((file) => ({ host, file, serials: new Set<string>() })))
  await expectNoLoss(a, b, async () => {
    await until(
      async () => {
        // An admin's is renewed by using it.
        await n1.exec('overlayctl ls')
        for (const { host, file, serials } of watched) serials.add(await serial(host, file))
        return watched.every(({ serials }) => serials.size > renewals)
      },
      {
        what: `${renewals} renewals of each certificate`,
        deadline: renewals * life * 1_000 - 20_000,
        every: 1_000,
        detail: () => watched.map(({ host, file, serials }) => `${host.name} ${file}: ${serials.size}`).join('\n'),
      },
    )
  })
  tell(`${renewals} renewals of certificates that live for ${life} s`, performance.now() - begun)
  await expectStreamsToTell('through-renewals')
  await untilNodesLive(n1, lab.hosts)
})

test('another authority takes over under traffic', { timeout: 3 * life * 1_000 }, async () => {
  showHostsOnFailure(lab)
  const before = await fingerprints()
  const begun = performance.now()
  await expectNoLoss(a, b, async () => {
    await n1.exec('overlayctl cluster certs rotate-ca')
    const isDone = async () => {
      await n1.exec('overlayctl ls')
      return (await fingerprints()).join() !== before.join() && allHaveOne()
    }
    await until(isDone, {
      what: 'the new authority to be the only one on all hosts',
      deadline: 3 * life * 1_000 - 20_000,
      every: 1_000,
      detail: () => `before: ${before.join()}`,
    })
  })
  tell('rotation of the authority', performance.now() - begun)
  await expectStreamsToTell('through-rotation')
  await untilNodesLive(n1, lab.hosts)
  const { exitCode, stdout, stderr } = await n1.try('overlayctl cluster status')
  expect([exitCode, stderr], stdout).toEqual([0, ''])
})

function certsOf(host: NspawnHost): readonly string[] {
  return host === n1 ? [agentCert, ...firstHostsCerts] : [agentCert]
}

function serial(host: NspawnHost, file: string): Promise<string> {
  return host.exec(['openssl', 'x509', '-noout', '-serial', '-in', file])
}

/** Of the authorities that each host's agent trusts. */
async function authorities(host: NspawnHost): Promise<readonly string[]> {
  const bundle = await host.exec(`cat ${state}/agent/tls/ca.crt`)
  return bundle.split('-----BEGIN CERTIFICATE-----').slice(1)
}

async function fingerprints(): Promise<readonly string[]> {
  return (await Promise.all(lab.hosts.map(authorities))).flat()
}

async function allHaveOne(): Promise<boolean> {
  return (await Promise.all(lab.hosts.map(authorities))).every(({ length }) => length === 1)
}

/** The streams that were opened at the beginning are, and tell of what happens now. */
async function expectStreamsToTell(name: string): Promise<void> {
  const workload = await attachWorkload(n1, 'web', name)
  for (const stream of streams) {
    expect(stream.exit, stream.logTail()).toBeUndefined()
    const tells = () => readFileSync(stream.log, 'utf8').includes(workload.address)
    await until(tells, { what: `${stream.name} to tell of ${name}`, detail: () => stream.logTail() })
  }
  await detachWorkload(workload)
}
