import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, expect, it } from 'vitest'
import { createLogger } from '../lib/log.ts'
import type { TlsMaterial } from '../lib/tls.ts'
import { connect } from './connect.ts'
import { randomLoopback, startEtcd } from './etcd-for-tests.ts'
import { put, type Store } from './store.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function open(url: string, tls: TlsMaterial): Store {
  const store = connect({ urls: [url], tls, log: createLogger('test', 'silent') })
  cleanups.push(() => store.close())
  return store
}

it('speaks TLS with client certificates', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'overlay-tls-'))
  cleanups.push(() => rm(directory, { recursive: true }))
  const host = randomLoopback()
  const openssl = (...args: string[]) => execa('openssl', args, { cwd: directory })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=test']
  await openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2')
  const at = (name: string) => join(directory, name)
  const names = ['-addext', `subjectAltName=IP:${host}`, '-addext', 'basicConstraints=critical,CA:FALSE']
  const issuer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '2']
  await openssl('req', '-x509', ...curve, '-keyout', 'key.pem', '-out', 'cert.pem', ...issuer, ...names)
  const secure = await startEtcd({
    host,
    scheme: 'https',
    flags: [
      `--cert-file=${at('cert.pem')}`,
      `--key-file=${at('key.pem')}`,
      `--trusted-ca-file=${at('ca.pem')}`,
      '--client-cert-auth',
    ],
  })
  cleanups.push(secure.close)
  const [ca, cert, key] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(at(name))))
  if (!ca || !cert || !key) throw new Error('openssl wrote no files')
  const store = open(secure.url, { ca, cert, key })
  await store.commit({ compares: [], writes: [put(store.keys.node('host-1'), { name: 'host-1' })] })
  expect(await store.count(store.keys.nodes)).toBe(1)
  const stranger = open(secure.url, { ca })
  await expect(stranger.probe()).rejects.toMatchObject({ code: 'unavailable' })
})
