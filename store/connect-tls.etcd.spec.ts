import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { retry } from '../lib/retry.ts'
import { readTls } from '../lib/tls.ts'
import { createPki } from '../test/lab/pki.ts'
import { type SecureEtcd, startSecureEtcd } from './secure-etcd-for-tests.ts'
import { put } from './store.ts'

let secure: SecureEtcd
beforeAll(async () => {
  secure = await startSecureEtcd()
})
afterAll(() => secure?.[Symbol.asyncDispose]())

it('speaks TLS with client certificates', async () => {
  const { tls, files } = await secure.identify('controller', 'host-1')
  const store = secure.open({ tls })
  await store.commit({ compares: [], writes: [put(store.keys.node('host-1'), { name: 'host-1' })] })
  expect(await store.count(store.keys.nodes)).toBe(1)
  const stranger = secure.open({ tls: readTls({ ca: files.ca }) })
  await expect(stranger.probe()).rejects.toMatchObject({ code: 'unavailable' })
})

it('takes up files that were replaced when it connects next', async () => {
  const { files, tls } = await secure.identify('controller', 'host-2')
  const { cert, key, ca } = files
  const another = await createPki(join(ca, '../another'), 'another')
  const old = join(ca, '../old')
  await Promise.all([copyFile(cert, `${old}.crt`), copyFile(key, `${old}.key`)])
  const foreign = await another.issue('host-2', { role: 'controller', name: 'host-2' })
  await Promise.all([copyFile(foreign.cert, cert), copyFile(foreign.key, key)])
  tls.reload()
  const store = secure.open({ tls })
  await expect(store.probe()).rejects.toMatchObject({ code: 'unavailable' })
  await Promise.all([copyFile(`${old}.crt`, cert), copyFile(`${old}.key`, key)])
  expect(tls.reload()).toBe(true)
  await retry(() => store.probe(), { signal: AbortSignal.timeout(20_000) })
})

it.each([
  ['TLSv1.2', 'refused'],
  ['TLSv1.3', 'TLSv1.3'],
] as const)('of etcd, %s is %s', async (version, expected) => {
  const { tls: material } = await secure.identify('node', 'host-3')
  const { hostname: host, port } = new URL(secure.etcd.url)
  const socket = tls.connect({
    ...material.current(),
    host,
    port: Number(port),
    minVersion: version,
    maxVersion: version,
  })
  const outcome = await once(socket, 'secureConnect').then(
    () => socket.getProtocol(),
    () => 'refused',
  )
  socket.destroy()
  expect(outcome).toBe(expected)
})
