/** What an agent's certificate may do in etcd, tried with etcdctl: what a thief of it would use. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeCluster } from '../cluster.ts'
import type { NspawnHost } from './host.ts'
import type { NspawnLab } from './nspawn-lab.ts'
import { showHostsOnFailure, startedHosts } from './started-hosts.ts'

const prefix = '/overlay/v1/'
let lab: NspawnLab
let n1: NspawnHost, n2: NspawnHost

beforeAll(async () => {
  lab = await startedHosts({ hosts: 2 })
  ;[n1, n2] = [lab.host(1), lab.host(2)]
  await makeCluster(lab.hosts)
})
afterAll(() => lab?.down())

test.each([
  ['nodes/n1'],
  ['nodes/n20'],
  ['sessions/n1'],
  ['sessions/n20'],
  ['hostroutes/n1'],
  ['placements/n1/web/0123456789abcdef'],
  ['placements/n20/web/0123456789abcdef'],
  ['cluster'],
  ['trust'],
  ['networks/web'],
  ['vnis/1048576'],
  ['controllers/forged'],
  ['identities/0123456789abcdef'],
  ['tokens/0123abcd'],
  ['secrets/authorities'],
  ['drains/n1'],
])('it writes and deletes nothing at %s', async (key) => {
  showHostsOnFailure(lab)
  const put = await asAgent('put', prefix + key, '{}')
  expect(put).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('permission denied') })
  const del = await asAgent('del', prefix + key)
  expect(del).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('permission denied') })
})

test.each([
  ['the authorities', ['get', `${prefix}secrets/authorities`]],
  ['all secrets', ['get', '--prefix', `${prefix}secrets/`]],
  ['all there is', ['get', '--prefix', '']],
  ['the users', ['user', 'list']],
])('it does not read %s', async (_, args) => {
  const { exitCode, stderr, stdout } = await asAgent(...args)
  expect([exitCode, stdout]).toEqual([1, ''])
  expect(stderr).toContain('permission denied')
})

test('it does not change users, members or rights', async () => {
  for (const args of [
    ['user', 'add', 'mallory', '--no-password'],
    ['role', 'add', 'mallory'],
    ['auth', 'disable'],
    ['member', 'add', 'mallory', '--peer-urls', 'https://192.168.200.9:2380'],
    ['snapshot', 'save', '/tmp/stolen'],
  ]) {
    const { exitCode, stderr } = await asAgent(...args)
    expect([args[0], exitCode]).not.toEqual([args[0], 0])
    expect(stderr).toMatch(/permission denied|user name is empty|not allowed/)
  }
})

test('it reads the cluster, and writes what is its own', async () => {
  const read = await asAgent('get', `${prefix}nodes/n1`)
  expect(read).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(n1.address) })
  const own = await asAgent('get', '--print-value-only', `${prefix}nodes/n2`)
  expect(await asAgent('put', `${prefix}nodes/n2`, own.stdout)).toMatchObject({ exitCode: 0 })
})

test('without a certificate, or with plain HTTP, there is nobody at home', async () => {
  expect((await n2.try(`${etcdctl} --cacert ${tls}/ca.crt get x`)).exitCode).not.toBe(0)
  expect((await n2.try(`${etcdctl.replace('https', 'http')} get x`)).exitCode).not.toBe(0)
})

test('cluster status has nothing to say against etcd', async () => {
  const { exitCode, stdout, stderr } = await n1.try('overlayctl cluster status')
  expect([exitCode, stderr], stdout).toEqual([0, ''])
})

const tls = '/var/lib/overlay/agent/tls'
const etcdctl =
  'ETCDCTL_API=3 timeout 20 /usr/lib/overlay/bin/etcdctl --command-timeout 4s --dial-timeout 4s --endpoints https://n1:2379'

/** On n2, with its agent's certificate. */
function asAgent(...args: readonly string[]) {
  const files = `--cacert ${tls}/ca.crt --cert ${tls}/tls.crt --key ${tls}/tls.key`
  return n2.try(`${etcdctl} ${files} ${args.map((word) => `'${word}'`).join(' ')}`)
}
