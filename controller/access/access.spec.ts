import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PeerCertificate } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Role } from '../../lib/pki/identity.ts'
import { AgentLinkService, ControlPlaneService, NetworksService, NodesService } from '../../proto/index.ts'
import { createPki, type TestPki } from '../../test/lab/pki.ts'
import { controllerAccess } from './access.ts'
import { certificateReader } from './certificates.ts'

let directory = ''
let pki: TestPki

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-access-'))
  pki = await createPki(directory)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** As Node tells of it. */
async function shown(file: string): Promise<PeerCertificate> {
  const { raw, fingerprint256 } = new X509Certificate(await readFile(file))
  return { raw, fingerprint256 } as PeerCertificate
}

const of = async (role: Role, name: string) => shown((await pki.issue(`${role}-${name}`, { role, name })).cert)

describe('an authority of the operator', () => {
  const access = controllerAccess({
    tls: { current: () => ({ ca: Buffer.from('') }), onChange: () => () => {} },
    identities: undefined,
  })
  const { create, list } = NetworksService.methods
  const { drain } = NodesService.methods
  const { connect } = AgentLinkService.methods
  const { addMember, snapshot } = ControlPlaneService.methods

  it.each([
    ['viewer', [list]],
    ['node', [list, drain, connect]],
    ['admin', [list, create, drain, snapshot]],
    ['controller', [list, create, drain, connect, addMember, snapshot]],
  ] as const)('a %s gets as far as it may', async (role, may) => {
    const certificate = await of(role, 'one')
    const letIn = await Promise.all(
      [list, create, drain, connect, addMember, snapshot].map(async ({ path }) => {
        const admission = access.admit(path, certificate)
        return admission.then(
          () => path,
          ({ code }) => code,
        )
      }),
    )
    expect(letIn.filter((text) => text !== 'permission_denied')).toEqual(may.map(({ path }) => path))
  })

  it('a node may do it to itself alone, by its name', async () => {
    const { check } = await access.admit(drain.path, await of('node', 'h1'))
    expect(() => check?.({ name: 'h1' })).not.toThrow()
    for (const name of ['h2', 'h', ''])
      expect(() => check?.({ name })).toThrow(
        'drain nodes needs the role admin; this is node h1, which may do that to itself only, and by its name: name node h1, or ask an admin',
      )
  })

  it('says who the caller is, and which role is missing', async () => {
    await expect(access.admit(create.path, await of('viewer', 'bob'))).rejects.toMatchObject({
      code: 'permission_denied',
      message:
        'create networks needs the role admin; this is viewer bob: ask an admin to do it, or for a certificate of your own (overlayctl cluster token create --role admin)',
    })
    await expect(access.admit(addMember.path, await of('admin', 'ann'))).rejects.toMatchObject({
      code: 'permission_denied',
      message:
        'add hosts to the control plane needs the role controller; this is admin ann: only the programs of the cluster call it',
    })
  })

  it('refuses a method without a rule, whoever calls', async () => {
    await expect(access.admit('/overlay.v1.New/Method', await of('controller', 'c'))).rejects.toMatchObject({
      code: 'permission_denied',
    })
  })
})

describe('certificates', () => {
  it('of nobody are refused, in the words of the one who asks', async () => {
    const reader = certificateReader(undefined)
    expect(() => reader.read(undefined)).toThrow('this controller asks for a certificate of its cluster')
    // As a resumed session has it.
    expect(() => reader.read({} as PeerCertificate)).toThrow('this controller asks for a certificate of its cluster')
    const nameless = await shown((await pki.issueNamed('etcd', 'etcd-server', ['10.0.0.1'])).cert)
    expect(() => reader.read(nameless)).toThrow(/^the certificate shown \(CN=etcd-server\) is nobody's here: /)
  })

  it('are valid until they expire, also on a connection that was made before', async () => {
    let time = Date.now()
    const reader = certificateReader(undefined, () => time)
    const certificate = await shown((await pki.issue('short', { role: 'admin', name: 'a', life: 60_000 })).cert)
    expect(reader.read(certificate)).toMatchObject({ role: 'admin', name: 'a' })
    time += 61_000
    expect(() => reader.read(certificate)).toThrow('it has expired')
  })

  it('are of an authority that is trusted now, not once', async () => {
    const other = await createPki(join(directory, 'other'), 'another')
    let authorities = pki.authority.certificate + other.authority.certificate
    const reader = certificateReader(() => authorities)
    const [ours, theirs] = [
      await of('admin', 'a'),
      await shown((await other.issue('b', { role: 'admin', name: 'b' })).cert),
    ]
    expect([reader.read(ours).name, reader.read(theirs).name]).toEqual(['a', 'b'])
    authorities = pki.authority.certificate
    reader.forget()
    expect(reader.read(ours).name).toBe('a')
    expect(() => reader.read(theirs)).toThrow("is another authority's")
  })
})
