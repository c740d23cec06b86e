import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identityOf } from './identity.ts'
import { type Authority, createAuthority, createKey, createRequest, issueCertificate } from './issue.ts'

const hour = 3600_000
let directory = ''
let authority: Authority

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-pki-'))
  authority = await createAuthority('overlay 1a2b', 2 * hour)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const openssl = (...args: string[]) => execa('openssl', args, { cwd: directory, reject: false, all: true })
const write = (file: string, text: string) => writeFileSync(join(directory, file), text)
const request = async () => createRequest(await createKey())

describe('a certificate', () => {
  it.each([
    ['client', { commonName: 'viewer-0123456789abcdef', uri: 'overlay:viewer:bob' }],
    ['server', { commonName: 'etcd-server', hosts: ['10.0.0.1', 'fd00::1', 'host-1', 'host-1.example.com'] }],
    ['both', { commonName: 'controller-0123456789abcdef', hosts: ['10.0.0.1'], uri: 'overlay:controller:h1' }],
    ['bare', { commonName: 'etcd-peer' }],
  ])('of a %s stands up to a strict look', async (name, fields) => {
    const pair = await createKey()
    write(`${name}.crt`, await issueCertificate(authority, await createRequest(pair), { ...fields, life: hour }))
    write(`${name}.key`, pair.key)
    write('ca.crt', authority.certificate)
    const purposes = ['sslclient', ...('hosts' in fields ? ['sslserver'] : [])]
    for (const purpose of purposes)
      expect(
        await openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'ca.crt', `${name}.crt`),
      ).toMatchObject({
        all: `${name}.crt: OK`,
      })
    if (!('hosts' in fields))
      expect((await openssl('verify', '-purpose', 'sslserver', '-CAfile', 'ca.crt', `${name}.crt`)).exitCode).toBe(2)
    const certificate = new X509Certificate(await openssl('x509', '-in', `${name}.crt`).then(({ stdout }) => stdout))
    expect((await openssl('pkey', '-in', `${name}.key`, '-pubout')).stdout).toBe(
      String(certificate.publicKey.export({ type: 'spki', format: 'pem' })).trim(),
    )
  })

  it('has its authority behind it, and does not outlive it', async () => {
    const text = await issueCertificate(authority, await request(), { commonName: 'a', life: 99 * hour })
    expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(text.endsWith(authority.certificate)).toBe(true)
    expect(new X509Certificate(text).validTo).toBe(new X509Certificate(authority.certificate).validTo)
  })

  it('names what it was issued for, and nothing of what the request says', async () => {
    await openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      'k',
      '-out',
      'own.csr',
      '-subj',
      '/CN=admin-0123456789abcdef',
      '-addext',
      'subjectAltName=URI:overlay:admin:eve',
    )
    const { stdout } = await openssl('req', '-in', 'own.csr')
    const fields = { commonName: 'node-00112233445566aa', uri: 'overlay:node:h1', life: hour }
    const issued = new X509Certificate(await issueCertificate(authority, stdout, fields))
    expect(identityOf(issued)).toEqual({ role: 'node', name: 'h1', id: '00112233445566aa' })
    expect(issued.subjectAltName).toBe('URI:overlay:node:h1')
  })

  it.each(['x, URI:overlay:admin:eve, y', 'a b', '-a', 'a-', '', 'a..b', 'x'.repeat(254), 'http://a', '*.a'])(
    'is none for the host %j',
    async (host) => {
      const made = issueCertificate(authority, await request(), { commonName: 'a', hosts: [host], life: hour })
      await expect(made).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('neither a host') })
    },
  )

  it('is refused for what is no request, one of another key, and another kind of key', async () => {
    const issue = (text: string) => issueCertificate(authority, text, { commonName: 'a', life: hour })
    await expect(issue('junk')).rejects.toMatchObject({ code: 'invalid' })
    const whole = await request()
    const bytes = Buffer.from(whole.replaceAll(/-----.*-----|\s/g, ''), 'base64')
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    await expect(issue(forged)).rejects.toMatchObject({ code: 'invalid' })
    const { stdout } = await openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'r', '-subj', '/CN=a')
    await expect(issue(stdout)).rejects.toThrow('not ECDSA P-256')
  })

  it('comes of no authority that has expired', async () => {
    const expired = await createAuthority('old', -1_000)
    await expect(issueCertificate(expired, await request(), { commonName: 'a', life: hour })).rejects.toMatchObject({
      code: 'failed_precondition',
    })
  })
})
