/** More attaches at once than a subnet has addresses. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AgentService } from '../../proto/index.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { ping } from '../lab/ping.ts'
import { accepted, attachAll, detachAll, type Workload } from './attach-calls.ts'
import { showHostsOnFailure, startedLab } from './started-lab.ts'
import { keysBelow } from './store-content.ts'
import { expectTraces, traces, tracesOf } from './traces.ts'

/** 10.0.9.0/25: 126 addresses for hosts, less the gateway. */
const free = 125

let lab: Lab
let workloads: readonly Workload[]

beforeAll(async () => {
  lab = await startedLab({ hosts: 3 })
  await lab.overlayctlJson('create', 'web', '--subnet', '10.0.9.0/25')
  const sandboxes = await lab.sandboxes(Array.from({ length: 200 }, (_, index) => `w${index}`))
  workloads = sandboxes.map((sandbox, index) => ({ sandbox, host: lab.hosts[index % 3] as Host }))
})
afterAll(() => lab?.down())

test('200 attaches at once into 125 addresses: each is given once, the rest fail and leave nothing', async () => {
  showHostsOnFailure(lab)
  const started = performance.now()
  const attempts = await attachAll('web', workloads)
  const seconds = (performance.now() - started) / 1000
  const done = accepted(attempts)
  const refused = attempts.flatMap(({ error }) => error ?? [])
  console.log(`${done.length} attached, ${refused.length} refused in ${seconds.toFixed(2)} s`)

  const given = done.flatMap(({ endpoint }) => endpoint.addresses)
  const all = Array.from({ length: free }, (_, index) => `10.0.9.${index + 2}`)
  expect(given.toSorted()).toEqual(all.toSorted())
  expect(refused).toHaveLength(200 - free)
  for (const { code, message } of refused) {
    expect(code).toBe('exhausted')
    expect(message).toContain(`no free address left in 10.0.9.0/25 (${free} used, 1 reserved`)
  }
  expect(await traces(lab, 'web')).toEqual(tracesOf(done.map(({ endpoint }) => endpoint)))
  for (const { sandbox, endpoint } of attempts)
    if (!endpoint) expect(await sandbox.exec(['ls', '/proc/self/net/dev_snmp6'])).not.toContain('eth0')
  const others = done.slice(1, 13)
  const pings = others.map(({ sandbox }) => ping(sandbox, done[0]?.endpoint.addresses[0] ?? '', 2))
  expect(await Promise.all(pings)).toEqual(others.map(() => true))

  await detachAll(done)
  await expectTraces(lab, 'web', [])
  for (const host of lab.hosts) expect(await host.exec('ip -o link')).not.toMatch(/: ov/)
})

test('addresses that were given back rest: chosen by none for a while, but given to whom asks for one', async () => {
  showHostsOnFailure(lab)
  expect(await keysBelow(lab.etcd, 'released/web/')).toHaveLength(free)
  const [{ error } = { error: undefined }] = await attachAll('web', workloads.slice(0, 1))
  expect(error?.code).toBe('exhausted')
  expect(error?.message).toContain(`(0 used, 1 reserved, ${free} in quarantine)`)
  const next = Date.parse(/the next one is free at ([^\s;]+)/.exec(error?.message ?? '')?.[1] ?? '')
  expect(next).toBeGreaterThan(Date.now())
  expect(next).toBeLessThan(Date.now() + 80_000)

  const [host, sandbox] = [lab.host(2), await lab.sandbox('asks')]
  const endpoint = await host.attach('web', sandbox, '--ip', '10.0.9.77')
  expect(endpoint.addresses).toEqual(['10.0.9.77'])
  expect((await keysBelow(lab.etcd, 'released/web/')).map(({ path }) => path)).not.toContain('released/web/10.0.9.77')
  const client = host.agent.connect()
  expect((await client.service(AgentService).list({})).endpoints).toHaveLength(1)
  client.close()
  await detachAll([{ host, endpoint }])
  await expectTraces(lab, 'web', [])
})
