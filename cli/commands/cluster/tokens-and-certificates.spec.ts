import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../../lib/errors.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../../testing/cluster.ts'
import { createFakeHost } from '../../testing/host.ts'
import { type InvokeOptions, invoke } from '../../testing/invoke.ts'
import { startManagedCluster } from '../../testing/managed.ts'
import { member, nodeIdentity, securityStatus, tokenText } from '../../testing/security.ts'

let cluster: FakeCluster | undefined
afterEach(async () => {
  await cluster?.close()
  cluster = undefined
})

async function run(line: string, answers: Answers = {}, options: InvokeOptions = {}) {
  cluster = await startFakeCluster(answers)
  return invoke(cluster, ['cluster', ...line.split(' ')], options)
}

describe('cluster token', () => {
  it.each([
    ['create', 'cluster join 192.0.2.1:4780 --token', { role: 'node', ttl: 0, uses: 0 }],
    ['create --control-plane --uses 2 --ttl 90m', '--control-plane\n', { controlPlane: true, ttl: 5_400, uses: 2 }],
    ['create --role viewer', 'cluster login 192.0.2.1:4780 --token', { role: 'viewer' }],
  ])('%s prints the line to use it with', async (line, text, request) => {
    const { code, stdout } = await run(`token ${line}`)
    expect(code).toBe(0)
    expect(stdout).toContain(text)
    expect(stdout).toContain('Good 3 times, until 2026-03-02 11:00 UTC.')
    expect(cluster?.calls).toEqual([{ method: 'tokens.create', request: expect.objectContaining(request) }])
  })

  it.each([
    ['create --role king', '--role: "king" is none of node, admin, viewer'],
    ['create --role admin --control-plane', '--control-plane is for hosts: leave --role out'],
    ['create --ttl 31d', '--ttl: "31d" is not a time of 1 s to 30 d'],
    ['create --uses 0', '--uses: "0" is not a whole number from 1 to 1000'],
  ])('%s is wrong usage', async (line, message) => {
    expect(await run(`token ${line}`)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
    expect(cluster?.calls).toEqual([])
  })

  it('create -o name prints the token alone', async () => {
    expect((await run('token create -o name')).stdout).toBe(`${tokenText}\n`)
  })

  it('ls and rm show no secret', async () => {
    expect((await run('token ls')).stdout).toBe(
      'ID         FOR    USES LEFT   EXPIRES                DESCRIPTION\n5f0c2a9b   node   3           2026-03-02 11:00 UTC   rack 7\n',
    )
    expect((await run('token rm 5f0c2a9b')).stdout).toBe('removed token 5f0c2a9b\n')
  })
})

describe('cluster status', () => {
  it('shows what is there', async () => {
    const { code, stdout, stderr } = await run('status')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Control plane:    1 voter, none of which may fail\n')
    expect(stdout).toContain('Certificates:     2, the first to end is that of admin/anna, in 10 d\n')
    expect(stdout).toContain('Access to etcd:   verified\n')
    expect(stdout).toMatch(/^host1 {4}leader +https:\/\/host1:2379 +https:\/\/host1:2380 +healthy$/m)
  })

  it('fails for what is not well', async () => {
    const security = {
      ...securityStatus,
      members: [member('host1', { leader: true }), member('host2', { problem: 'no answer' })],
      identities: [{ ...nodeIdentity, notAfter: '2026-03-01T00:00:00Z' }],
      problems: ['role node-1111 may write elsewhere'],
    }
    const { code, stderr } = await run('status', { security: { get: async () => security } })
    expect(code).toBe(1)
    expect(stderr).toBe(
      'overlayctl: member host2 of the control plane is not well: no answer\noverlayctl: the certificate of node/host1 (1111111111111111) has expired\noverlayctl: role node-1111 may write elsewhere\n',
    )
  })

  it('as JSON has both messages', async () => {
    const { stdout } = await run('status -o json')
    expect(JSON.parse(stdout)).toMatchObject({
      security: { members: [{ name: 'host1' }] },
      cluster: { clusterUid: 'c0ffee' },
    })
  })
})

describe('cluster certs', () => {
  it('lists what expires when, the first at the top', async () => {
    const { stdout } = await run('certs')
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 4))).toEqual([
      ['CERTIFICATE', 'ID', 'EXPIRES', 'LEFT'],
      ['admin/anna', '2222222222222222', '2026-03-12 10:00 UTC', 'in 10 d'],
      ['node/host1', '1111111111111111', '2027-03-01 10:00 UTC', 'in 364 d'],
      ['authority', 'aaaaaaaaaaaaaaaa', '2036-03-01 10:00 UTC', 'in 3652 d'],
      [''],
    ])
  })

  it('rotate-ca --wait tells each step until one authority is left', async () => {
    const [active] = securityStatus.authorities
    if (!active) throw new Error('none')
    const both = {
      ...securityStatus,
      authorities: [active, { ...active, id: 'bbbbbbbbbbbbbbbb', state: 'INTRODUCED' as const }],
      waitingFor: ['node/host2'],
    }
    const { code, stderr } = await run('certs rotate-ca --wait', { security: { rotateAuthority: async () => both } })
    expect(code).toBe(0)
    expect(stderr).toBe(
      'authorities: aaaaaaaaaaaaaaaa active, bbbbbbbbbbbbbbbb introduced; waiting for node/host2\nauthorities: aaaaaaaaaaaaaaaa active\n',
    )
  })

  it('revoke goes on past what fails', async () => {
    const revoke = async ({ identity }: { identity: string }) => {
      if (identity === 'nobody') throw new OverlayError('not_found', 'there is no identity nobody')
      return nodeIdentity
    }
    expect(await run('certs revoke nobody node/host1', { security: { revoke } })).toEqual({
      code: 1,
      stdout: 'revoked node/host1 (1111111111111111)\n',
      stderr: 'overlayctl: there is no identity nobody\n',
    })
  })

  it('renew needs an identity', async () => {
    expect(await run('certs renew')).toMatchObject({ code: 1, stderr: expect.stringContaining('cluster login') })
  })
})

describe('cluster login', () => {
  it('writes an identity for one person, which overlayctl then finds', async () => {
    const managed = await startManagedCluster({ role: 'viewer' })
    cluster = managed
    const host = createFakeHost({ root: false })
    const line = ['cluster', 'login', managed.controller, '--token', managed.token]
    expect(await invoke(undefined, line, { host, env: { USER: 'Anna.B' } })).toEqual({
      code: 0,
      stdout: 'you are viewer anna-b from now on (/home/anna/.config/overlay/overlayctl.yaml)\n',
      stderr: '',
    })
    expect(host.listing()).toEqual([
      '/home/anna/.config/overlay/overlayctl-tls/ca.crt 0600',
      '/home/anna/.config/overlay/overlayctl-tls/tls.crt 0600',
      '/home/anna/.config/overlay/overlayctl-tls/tls.key 0600',
      '/home/anna/.config/overlay/overlayctl.yaml 0600',
    ])
    expect(host.read('/home/anna/.config/overlay/overlayctl.yaml').toString()).toContain('controller: 192.0.2.1:4780\n')
  })

  it('leaves a directory that is there as it is, and names one that cannot be written before the token is used', async () => {
    const managed = await startManagedCluster({ role: 'viewer' })
    cluster = managed
    const host = createFakeHost({ root: false })
    await host.makeDirectory('/etc/shared', { mode: 0o755 })
    const line = ['cluster', 'login', managed.controller, '--token', managed.token, '--config', '/etc/shared/me.yaml']
    const refused = await invoke(undefined, line, { host: { ...host, canWrite: () => false }, env: { USER: 'anna' } })
    expect(refused.stderr).toContain('you cannot write into /etc/shared: name a file elsewhere with --config')
    expect(managed.calls).toEqual([])
    expect(await invoke(undefined, line, { host, env: { USER: 'anna' } })).toMatchObject({ code: 0 })
    expect(host.directories.get('/etc/shared')).toEqual({ mode: 0o755 })
    expect(host.directories.get('/etc/shared/me-tls')).toEqual({ mode: 0o700 })
  })

  it('refuses the token of a host', async () => {
    const managed = await startManagedCluster()
    cluster = managed
    const host = createFakeHost({ root: false })
    const line = ['cluster', 'login', managed.controller, '--token', managed.token, '--name', 'anna']
    expect(await invoke(undefined, line, { host })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('this token is for a node, not for a person'),
    })
    expect(host.listing()).toEqual([])
  })
})
