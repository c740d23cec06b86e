/** Who may call what of a controller whose cluster issues its certificates itself: each RPC, by each kind of caller. */
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { etcdCipherSuite } from '../../lib/etcd-cipher.ts'
import { authorityId } from '../../lib/pki/authorities.ts'
import { formatFirstAuthority } from '../../lib/pki/first-authority.ts'
import { createSealingKey, seal } from '../../lib/pki/sealing.ts'
import { Authority, AuthoritySet, Identity } from '../../proto/index.ts'
import { flags } from '../lab/controller.ts'
import { openDoors } from '../lab/door.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import { type Bearer, type CertificateFiles, createPki, type TestPki } from '../lab/pki.ts'
import { until } from '../lab/until.ts'
import { type Caller, callerWith, methods, type Refusal } from './access-calls.ts'
import { pathOf, type Row, table } from './access-table.ts'
import { storePrefix } from './store-content.ts'

let lab: Lab
let pki: TestPki
let target = ''
const callers = new Map<string, Caller>()

const members = {
  ctl: { role: 'controller', name: 'ctl', hosts: ['localhost', '192.168.200.254'] },
  viewer: { role: 'viewer', name: 'bob' },
  node: { role: 'node', name: 'h1' },
  otherNode: { role: 'node', name: 'h2' },
  admin: { role: 'admin', name: 'ann' },
  revoked: { role: 'admin', name: 'rex' },
  expired: { role: 'admin', name: 'old', life: -1_000 },
} as const satisfies Record<string, Bearer>

beforeAll(async () => {
  lab = await createLab({ hosts: 1 })
  const home = join(lab.directory, 'pki')
  pki = await createPki(home)
  const foreign = await createPki(join(home, 'foreign'), 'another')
  const files = new Map<string, CertificateFiles>()
  for (const [who, bearer] of Object.entries(members)) files.set(who, await pki.issue(who, bearer))
  const idOf = (who: string) => files.get(who)?.id ?? ''
  const etcd = await startSecureEtcd()
  const sealing = writeSealed(
    home,
    Object.entries(members).map(([who, { role, name }]) => ({ id: idOf(who), role, name })),
  )
  const own = files.get('ctl')
  const tls = { 'tls-cert': own?.cert ?? '', 'tls-key': own?.key ?? '', 'tls-ca': pki.ca, 'sealing-key': sealing, etcd }
  const [controller] = lab.controllers
  if (!controller) throw new Error('the lab has no controller')
  await controller.start({ flags: flags(tls), deadline: 0 })
  const [host = '', port] = controller.address.split(':')
  const doors = await openDoors(lab.ctl, lab.directory, [{ name: 'ctl', host, port: Number(port) }])
  target = doors.get('ctl') ?? ''

  for (const who of Object.keys(members)) callers.set(who, callerWith(target, files.get(who)))
  callers.set('nobody', callerWith(target, { ca: pki.ca }))
  const admin = { ...members.admin, id: idOf('admin') }
  callers.set('foreign', callerWith(target, { ...(await foreign.issue('admin', admin)), ca: pki.ca }))
  const isServed = async () => (await callers.get('revoked')?.call(row('Tokens/List'))) === undefined
  await until(isServed, { what: 'the controller to serve', deadline: 20_000, detail: () => controller.logTail() })
  const asRoot = [`--endpoints=${etcd}`, `--cacert=${pki.ca}`, `--cert=${tls['tls-cert']}`, `--key=${tls['tls-key']}`]
  const env = { ETCDCTL_API: '3' }
  await lab.ctl.exec(['etcdctl', ...asRoot, 'del', `${storePrefix}identities/${idOf('revoked')}`], { env })
  const isRefused = async () => (await callers.get('revoked')?.call(row('Tokens/List')))?.code === 'unauthenticated'
  await until(isRefused, { what: 'the revoked one to be refused' })
})
afterAll(async () => {
  for (const caller of callers.values()) caller.close()
  await lab?.down()
})

/** @returns its URL. */
async function startSecureEtcd(): Promise<string> {
  const url = lab.etcd.url.replace('http:', 'https:')
  const { cert, key, ca } = await pki.issueNamed('etcd', 'etcd-server', [new URL(url).hostname])
  const own = { 'listen-client-urls': url, 'advertise-client-urls': url, 'cipher-suites': etcdCipherSuite }
  const files = { 'cert-file': cert, 'key-file': key, 'trusted-ca-file': ca }
  await lab.etcd.start({ flags: [...flags({ ...own, ...files }), '--client-cert-auth'], deadline: 0 })
  return url
}

/** The authority's key, sealed, and these identities, as `cluster init` would leave them. @returns the sealing key's path. */
function writeSealed(home: string, identities: readonly Pick<Identity, 'id' | 'role' | 'name'>[]): string {
  const directory = join(home, 'controller')
  mkdirSync(directory)
  const key = createSealingKey()
  const { certificate, key: signing } = pki.authority
  const record = { id: authorityId(certificate), certificate, sealedKey: seal(key, signing), state: 'ACTIVE' as const }
  const now = new Date()
  const notAfter = new Date(now.getTime() + 24 * 3600_000).toISOString()
  const dates = { createdAt: now.toISOString(), issuedAt: now.toISOString(), notAfter }
  const first = {
    authorities: AuthoritySet.create({ authorities: [Authority.create({ ...record, since: now.toISOString() })] }),
    identities: identities.map((one) =>
      Identity.create({ ...one, ...dates, authority: record.id, trusts: [record.id], origin: 'init' }),
    ),
  }
  writeFileSync(join(directory, 'first-authority.json'), formatFirstAuthority(first), { mode: 0o600 })
  const path = join(directory, 'sealing.key')
  writeFileSync(path, key, { mode: 0o600 })
  return path
}

function row(method: string): Row {
  const found = table.find((each) => each.method === method)
  if (!found) throw new Error(`the table has no ${method}`)
  return found
}

const call = (who: string, which: Row): Promise<Refusal | undefined> | undefined => callers.get(who)?.call(which)

it('the table has each method that there is', () => {
  const own = table.map(pathOf).filter((path) => path.startsWith('/overlay.v1.'))
  expect(own.toSorted()).toEqual(methods.map(({ path }) => path).toSorted())
})

describe.each([
  ['nobody', /^this controller asks for a certificate of its cluster: none was shown, or it has expired or is/],
  ['foreign', /^this controller asks for a certificate of its cluster: /],
  ['expired', /^this controller asks for a certificate of its cluster: /],
  ['revoked', /^the certificate of admin rex was revoked: /],
])('%s', (who, why) => {
  it.each(table.filter(({ method }) => method !== 'Enrolment/Join'))('is refused $method', async (each) => {
    expect(await call(who, each)).toMatchObject({ code: 'unauthenticated', message: expect.stringMatching(why) })
  })

  it('may ask to join, and is answered by its token', async () => {
    const refusal = await call(who, row('Enrolment/Join'))
    expect(refusal?.message).toMatch(/token/)
    expect(refusal?.message).not.toMatch(why)
  })
})

describe.each([
  ['viewer', 'viewer bob'],
  ['node', 'node h1'],
  ['otherNode', 'node h2'],
  ['admin', 'admin ann'],
] as const)('%s', (who, name) => {
  it.each(table.filter((each) => each[who] === 'permission_denied'))('is refused $method', async (each) => {
    const why = new RegExp(`needs (the role (admin|controller|node)|that node's own certificate); this is ${name}\\b`)
    expect(await call(who, each)).toMatchObject({
      code: 'permission_denied',
      message: expect.stringMatching(why),
    })
  })

  it.each(table.filter((each) => each[who] === 'in'))('may call $method', async (each) => {
    const refusal = await call(who, each)
    expect(refusal?.message ?? '').not.toMatch(/needs the role|asks for a certificate|was revoked|own certificate/)
    if (each.method !== 'Enrolment/Join') expect(['unauthenticated', 'permission_denied']).not.toContain(refusal?.code)
  })
})

describe('the port', () => {
  it('takes no plain text', async () => {
    const plain = callerWith(target, undefined)
    expect(await plain.call(row('Networks/List'))).toMatchObject({ code: 'unavailable' })
    plain.close()
  })

  it('takes no TLS 1.2', async () => {
    const path = target.replace(/^unix:/, '')
    const ca = readFileSync(pki.ca)
    const old = connect({ path, servername: 'localhost', ca, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
    await expect(once(old, 'secureConnect')).rejects.toThrow(/protocol version/)
  })
})
