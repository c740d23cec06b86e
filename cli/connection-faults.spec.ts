import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newAuthority } from '../lib/pki/authorities.ts'
import { newIdentityId } from '../lib/pki/enrolment.ts'
import { type Authority, createKey, createRequest, issueCertificate } from '../lib/pki/issue.ts'
import { createSealingKey } from '../lib/pki/sealing.ts'
import type { Tls, TlsMaterial } from '../lib/tls.ts'
import { ClustersService } from '../proto/index.ts'
import { connectWith } from './connect.ts'
import { startFakeCluster } from './testing/cluster.ts'

const day = 86_400_000
const closing: (() => unknown)[] = []
let own: Authority
let other: Authority
let client: TlsMaterial

beforeAll(async () => {
  const make = async () => (await newAuthority(createSealingKey(), 'ACTIVE', Date.now())).authority
  own = await make()
  other = await make()
  client = await material(own, ['127.0.0.1'])
})
afterAll(async () => {
  for (const close of closing.splice(0)) await close()
})

async function material(authority: Authority, hosts: readonly string[], life = day): Promise<TlsMaterial> {
  const pair = await createKey()
  const fields = { commonName: `controller-${newIdentityId()}`, uri: 'overlay:controller:host1', hosts, life }
  const cert = await issueCertificate(authority, await createRequest(pair), fields)
  return { ca: Buffer.from(authority.certificate), cert: Buffer.from(cert), key: Buffer.from(pair.key) }
}

const fixed = (current: TlsMaterial): Tls => ({
  files: {},
  current: () => current,
  reload: () => false,
  onChange: () => () => undefined,
})

async function controller(served: TlsMaterial | undefined): Promise<string> {
  const cluster = await startFakeCluster(served ? { tls: fixed(served) } : {})
  closing.push(() => cluster.close())
  return cluster.controller
}

async function listening(server: ReturnType<typeof createServer>): Promise<string> {
  closing.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

const servers: { readonly [name: string]: () => Promise<string> } = {
  'of another cluster': async () => controller(await material(other, ['127.0.0.1'])),
  'by another address': async () => controller(await material(own, ['192.0.2.1', 'host1', 'localhost', '::1'])),
  'with an old certificate': async () => controller(await material(own, ['127.0.0.1'], -200_000)),
  'in clear': () => controller(undefined),
  'that speaks TLS 1.2': async () => {
    const { cert = '', key = '' } = await material(own, ['127.0.0.1'])
    return listening(createTlsServer({ cert, key, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }))
  },
  'of mail': () => listening(createServer((socket) => socket.end('220 mail\r\n'))),
}

it.each<[string, RegExp]>([
  [
    'of another cluster',
    /its certificate is of another authority than those in --tls-ca\): .*overlayctl cluster login$/,
  ],
  ['by another address', /its certificate is not for this address\): dial it by one of 192\.0\.2\.1 \(--controller/],
  ['with an old certificate', /its certificate has expired\): see whether the clocks of both hosts are right/],
  [
    'in clear',
    /it does not speak TLS\): is it overlay-controller\? One that serves in clear is asked without --tls-ca/,
  ],
  ['that speaks TLS 1.2', /it does not speak TLS 1\.3\): is it overlay-controller\?$/],
  ['of mail', /it does not speak TLS\)/],
])('a controller %s: says what is wrong and what to do, on one line', async (name, expected) => {
  const address = (await servers[name]?.()) ?? ''
  const peer = connectWith(address, 5_000, () => fixed(client), new AbortController().signal)
  closing.push(() => peer.close())
  const asked = peer.ask((rpc, call) => rpc.service(ClustersService).getStatus({}, call))
  const { message, code } = await asked.then(
    () => expect.fail('it answered'),
    (error) => error,
  )
  expect(message).toMatch(expected)
  expect(message).toContain(`cannot reach the controller at ${address} (`)
  expect(message).not.toMatch(/\n|\.c:|No connection/)
  expect(code).toBe('unavailable')
})

it('a client without TLS is told to log in', async () => {
  const address = await controller(await material(own, ['127.0.0.1']))
  const peer = connectWith(address, 5_000, () => undefined, new AbortController().signal)
  closing.push(() => peer.close())
  await expect(peer.ask((rpc, call) => rpc.service(ClustersService).getStatus({}, call))).rejects.toThrow(
    /perhaps it asks for TLS\): then get an identity with overlayctl cluster login/,
  )
})
