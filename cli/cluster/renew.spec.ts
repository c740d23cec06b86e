import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { authorityId, newAuthority } from '../../lib/pki/authorities.ts'
import { issueIdentity, newIdentityId } from '../../lib/pki/enrolment.ts'
import type { Role } from '../../lib/pki/identity.ts'
import { type Authority, createKey, createRequest } from '../../lib/pki/issue.ts'
import { createSealingKey } from '../../lib/pki/sealing.ts'
import type { Authority as Record, SecurityStatus } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { securityStatus } from '../testing/security.ts'
import { thisHost } from './this-host.ts'

/** Each makes keys and certificates anew. */
const slow = { timeout: 30_000 }
const day = 86_400_000

let old: Authority
let young: Authority
let directory: string
let cluster: FakeCluster | undefined
/** What the controllers trust, and by whom they sign. */
let announced: readonly Authority[]
let signer: Authority

beforeAll(async () => {
  const make = async () => (await newAuthority(createSealingKey(), 'ACTIVE', Date.now())).authority
  old = await make()
  young = await make()
})
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-renew-'))
  announced = [old]
  signer = old
})
afterEach(async () => {
  await cluster?.close()
  cluster = undefined
  rmSync(directory, { recursive: true, force: true })
})

const bundleOf = (authorities: readonly Authority[]) => authorities.map(({ certificate }) => certificate).join('')
const idsOf = (authorities: readonly Authority[]) => authorities.map(({ certificate }) => authorityId(certificate))
const file = (name: string) => join(directory, name)
const text = (name: string) => readFileSync(file(name), 'utf8')
const isSignedBy = (authority: Authority) =>
  new X509Certificate(text('tls.crt')).verify(new X509Certificate(authority.certificate).publicKey)

async function material(role: Role, name: string) {
  const pair = await createKey()
  const identity = { id: newIdentityId(), role, name }
  const options = { life: 90 * day, hosts: role === 'controller' ? ['127.0.0.1'] : [] }
  return { cert: await issueIdentity(old, await createRequest(pair), identity, options), key: pair.key }
}

/** Files of an identity that trusts `trusted`, and a controller that takes it. */
async function person(trusted: readonly Authority[], role: Role = 'admin', answers: Answers = {}): Promise<void> {
  const { cert, key } = await material(role, 'anna')
  const content = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': bundleOf(trusted) }
  for (const [name, pem] of Object.entries(content)) writeFileSync(file(name), pem, { mode: 0o600 })
  const serving = await material('controller', 'host1')
  const served = { ca: Buffer.from(bundleOf([old])), cert: Buffer.from(serving.cert), key: Buffer.from(serving.key) }
  let [issuer, confirmed] = [old, { authority: old, trusts: idsOf(trusted) }]
  const told = () => {
    const isUpToDate = confirmed.authority === signer && idsOf(announced).every((id) => confirmed.trusts.includes(id))
    const digest = createHash('sha256').update(bundleOf(announced)).digest('hex')
    return { 'overlay-authorities': isUpToDate ? digest : 'renew' }
  }
  cluster = await startFakeCluster({
    ...answers,
    tls: { files: {}, current: () => served, reload: () => false, onChange: () => () => undefined },
    access: { admit: async () => ({ caller: undefined }), told },
    enrolment: {
      renew: async ({ request }) => {
        const identity = { id: newIdentityId(), role, name: 'anna' }
        issuer = signer
        const certificate = await issueIdentity(signer, request, identity, { life: 90 * day })
        return { certificate, authorities: bundleOf(announced), identity: null }
      },
      confirm: async ({ authorities }) => {
        confirmed = { authority: issuer, trusts: authorities }
        return {}
      },
      ...answers.enrolment,
    },
  })
}

/** So long, in days, after the certificate was made. */
async function run(line: string, after = 0) {
  const host = { ...thisHost, home: () => directory }
  const tls = ['--tls-cert', file('tls.crt'), '--tls-key', file('tls.key'), '--tls-ca', file('ca.crt')]
  const now = new Date(Date.now() + after * day)
  cluster?.calls.splice(0)
  const outcome = await invoke(cluster, [...line.split(' '), ...tls], { host, now })
  const calls = cluster?.calls.filter(({ method }) => method.startsWith('enrolment.')) ?? []
  return { ...outcome, calls: calls.map(({ method }) => method), confirmed: calls.at(-1)?.request }
}

const renewed = ['enrolment.renew', 'enrolment.confirm']

describe('after a command', () => {
  it('a certificate past two thirds of its life is renewed, with a new key, and nothing is said', slow, async () => {
    await person([old])
    const before = text('tls.key')
    expect(await run('ls', 50)).toMatchObject({ code: 0, stderr: '', calls: [] })
    expect(await run('ls', 80)).toMatchObject({
      code: 0,
      stderr: '',
      calls: renewed,
      confirmed: { authorities: idsOf([old]) },
    })
    expect(text('tls.key')).not.toBe(before)
    expect(new X509Certificate(text('tls.crt')).checkPrivateKey(createPrivateKey(text('tls.key')))).toBe(true)
    expect(readdirSync(directory).toSorted()).toEqual(['ca.crt', 'tls.crt', 'tls.key'])
    expect(statSync(file('tls.key')).mode & 0o777).toBe(0o600)
    expect(await run('ls', 1)).toMatchObject({ code: 0, calls: [] })
  })

  it('whom to trust is learnt, once, and the cluster told so', slow, async () => {
    await person([old])
    announced = [old, young]
    expect(await run('ls')).toMatchObject({ calls: renewed, confirmed: { authorities: idsOf([old, young]) } })
    expect(text('ca.crt')).toBe(bundleOf([old, young]))
    expect(await run('ls')).toMatchObject({ calls: [] })
  })

  it('a certificate of the new authority is got as soon as that signs', slow, async () => {
    await person([old, young])
    announced = [old, young]
    expect(await run('ls')).toMatchObject({ calls: [] })
    signer = young
    expect((await run('ls')).calls).toEqual(renewed)
    expect(isSignedBy(young)).toBe(true)
    expect(await run('ls')).toMatchObject({ calls: [] })
  })

  it('what could not be confirmed is, after the next one', slow, async () => {
    let failures = 1
    const confirm = async () => {
      if (failures-- > 0) throw new OverlayError('unavailable', 'the store is away')
      return {}
    }
    await person([old], 'admin', { enrolment: { confirm } })
    announced = [old, young]
    expect((await run('ls')).calls).toEqual(renewed)
    expect(text('ca.crt')).toBe(bundleOf([old, young]))
    expect((await run('ls')).calls).toEqual(renewed)
  })

  it('what fails of it is not told, and leaves the files as they are', slow, async () => {
    const renew = async () => {
      throw new OverlayError('unavailable', 'the store is away')
    }
    await person([old], 'viewer', { enrolment: { renew } })
    const before = text('tls.crt') + text('tls.key')
    expect(await run('ls', 80)).toMatchObject({ code: 0, stderr: '', calls: ['enrolment.renew'] })
    expect(text('tls.crt') + text('tls.key')).toBe(before)
  })

  it("that asked no controller, nothing is asked either; nor with a node's identity", slow, async () => {
    await person([old])
    expect(await run('completion bash', 80)).toMatchObject({ code: 0, calls: [] })
    await cluster?.close()
    await person([old], 'node')
    expect(await run('ls', 80)).toMatchObject({ code: 0, calls: [] })
  })

  it.runIf(process.getuid?.() === 0)('by root, the files stay those of the person', slow, async () => {
    await person([old])
    announced = [old, young]
    for (const name of readdirSync(directory)) chownSync(file(name), 65_534, 65_534)
    await run('ls', 80)
    expect(text('ca.crt')).toBe(bundleOf([old, young]))
    expect(readdirSync(directory).map((name) => statSync(file(name)).uid)).toEqual([65_534, 65_534, 65_534])
  })

  it('another overlayctl that is at it is left alone; one that was killed at it holds nothing up', slow, async () => {
    await person([old])
    writeFileSync(file('tls.crt.lock'), '')
    expect((await run('ls', 80)).calls).toEqual([])
    rmSync(file('tls.crt.lock'))
    expect((await run('ls', 80)).calls).toEqual(renewed)
  })
})

describe('cluster certs renew', () => {
  it('renews at once, and says until when', slow, async () => {
    await person([old], 'viewer')
    const before = text('tls.crt')
    expect(await run('cluster certs renew')).toMatchObject({
      code: 0,
      stdout: 'the certificate of viewer/anna ends in 89 d\n',
      calls: renewed,
    })
    expect(text('tls.crt')).not.toBe(before)
  })

  it("is refused with a node's identity, and with none", slow, async () => {
    await person([old], 'node')
    expect((await run('cluster certs renew')).stderr).toContain('its agent renews that certificate by itself')
    const none = await invoke(undefined, ['cluster', 'certs', 'renew'])
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('overlayctl cluster login') })
  })
})

it('cluster certs rotate-ca --wait takes its caller along, step by step', slow, async () => {
  const status = (...states: [Authority, Record['state']][]): SecurityStatus => ({
    ...securityStatus,
    authorities: states.map(([{ certificate }, state]) => ({
      ...(securityStatus.authorities[0] as SecurityStatus['authorities'][number]),
      id: authorityId(certificate),
      state,
    })),
  })
  const steps = [
    status([old, 'ACTIVE'], [young, 'INTRODUCED']),
    status([old, 'RETIRING'], [young, 'ACTIVE']),
    status([young, 'ACTIVE']),
  ]
  const rotateAuthority = async () => {
    announced = [old, young]
    return steps[0] as SecurityStatus
  }
  const get = async () => {
    if (steps.length > 1) steps.shift()
    signer = young
    if (steps.length === 1) announced = [young]
    return steps[0] as SecurityStatus
  }
  await person([old], 'admin', { security: { rotateAuthority, get } })
  const { code, calls } = await run('cluster certs rotate-ca --wait')
  expect(code).toBe(0)
  expect(calls).toEqual([...renewed, ...renewed, ...renewed])
  expect(isSignedBy(young)).toBe(true)
  expect(text('ca.crt')).toBe(bundleOf([young]))
})
