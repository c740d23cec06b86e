import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createAuthority, createKey, createRequest, issueCertificate } from '../../lib/pki/issue.ts'
import { readTls } from '../../lib/tls.ts'
import { isManaged, openStore } from './open-store.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-open-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function tlsOf(commonName: string) {
  const authority = await createAuthority('test', 3_600_000)
  const pair = await createKey()
  const fields = { commonName, uri: 'overlay:node:host1', life: 3_600_000 }
  const file = (name: string, content: string) => {
    writeFileSync(join(directory, name), content)
    return join(directory, name)
  }
  const cert = file('tls.crt', await issueCertificate(authority, await createRequest(pair), fields))
  return readTls({ cert, key: file('tls.key', pair.key), ca: file('ca.crt', authority.certificate) })
}

it('remembered members are added where the cluster issued the certificate, and only there', async () => {
  const remembered = ['https://127.0.0.1:1', 'nonsense://', 'https://127.0.0.1:2']
  const urlsWith = async (commonName: string) => {
    const etcdTls = await tlsOf(commonName)
    const stateDir = { readMembers: () => remembered, writeMembers: () => undefined }
    const options = { etcd: ['https://127.0.0.1:1'], prefix: '/t/', etcdTls }
    const store = openStore(options, stateDir, pino({ level: 'silent' }))
    await store.close()
    return [isManaged(etcdTls), store.urls]
  }
  expect(await urlsWith('node-0123456789abcdef')).toEqual([true, ['https://127.0.0.1:1', 'https://127.0.0.1:2']])
  expect(await urlsWith('host1')).toEqual([false, ['https://127.0.0.1:1']])
  expect(isManaged(undefined)).toBe(false)
})
