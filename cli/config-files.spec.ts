import { afterEach, describe, expect, it } from 'vitest'
import { createAuthority, createKey, createRequest, issueCertificate } from '../lib/pki/issue.ts'
import { findConfig } from './config-files.ts'
import { type FakeCluster, startFakeCluster } from './testing/cluster.ts'
import { createFakeHost } from './testing/host.ts'
import { invoke } from './testing/invoke.ts'

let cluster: FakeCluster | undefined
afterEach(() => cluster?.close())

const personal = '/home/anna/.config/overlay/overlayctl.yaml'
const hosts = '/etc/overlay/overlayctl.yaml'
const agent = '/etc/overlay/agent.yaml'
const controllers = '/run/overlay/controllers'
const tlsOf = (who: string) => `tlsCert: /${who}.crt\ntlsKey: /${who}.key\ntlsCa: /${who}-ca.crt\n`
const found = (who: string) => ({ cert: `/${who}.crt`, key: `/${who}.key`, ca: `/${who}-ca.crt` })
const none = { cert: undefined, key: undefined, ca: undefined }

it.each<[string, Record<string, string>, object]>([
  ['nothing', {}, { controller: undefined, tls: none }],
  [
    'what the agent has',
    { [agent]: `etcd: x\n${tlsOf('n')}`, [controllers]: 'a:1\nb:2\n' },
    { controller: 'a:1,b:2', tls: found('n') },
  ],
  [
    'what the controller has before that',
    { '/etc/overlay/controller.yaml': `listen: x\n${tlsOf('c')}`, [agent]: tlsOf('n') },
    { controller: undefined, tls: found('c') },
  ],
  [
    "the host's file first",
    { [hosts]: tlsOf('h'), [agent]: tlsOf('n'), [controllers]: 'a:1\n' },
    { controller: 'a:1', tls: found('h') },
  ],
  [
    "the person's file before all",
    { [personal]: `controller: p:1\n${tlsOf('p')}`, [hosts]: `controller: h:1\n${tlsOf('h')}`, [controllers]: 'a:1\n' },
    { controller: 'p:1', tls: found('p') },
  ],
])('finds %s', async (_, files, expected) => {
  expect(await findConfig(createFakeHost({ files }), {})).toEqual(expected)
})

it("passes over an identity that has expired: root on a host of the control plane has its controller's", async () => {
  const authority = await createAuthority('overlay', 86_400_000)
  const expired = await issueCertificate(authority, await createRequest(await createKey()), {
    commonName: 'admin-0123456789abcdef',
    life: -1,
  })
  const files = { [hosts]: tlsOf('h'), '/h.crt': expired, '/etc/overlay/controller.yaml': tlsOf('c') }
  expect((await findConfig(createFakeHost({ files }), {})).tls).toEqual(found('c'))
})

describe('a file that is wrong is named:', () => {
  it.each([
    ['controller: [', /^overlayctl: \/etc\/overlay\/overlayctl\.yaml: /],
    ['- a', /must be a mapping of options/],
    ['tlsCrt: x', /overlayctl\.yaml: tlsCrt: it takes controller, tlsCert, tlsKey, tlsCa/],
    ['controller: here', /controller in the configuration: "here" is not HOST:PORT/],
  ])('%s', async (text, message) => {
    const result = await invoke(undefined, ['ls'], { host: createFakeHost({ files: { [hosts]: text } }) })
    expect(result).toMatchObject({ code: 2, stderr: expect.stringMatching(message) })
  })
})

it('gives way to the environment and to flags', async () => {
  cluster = await startFakeCluster()
  const host = createFakeHost({ files: { [hosts]: 'controller: 127.0.0.1:1\n' } })
  expect(await invoke(cluster, ['ls', '-o', 'name'], { host })).toMatchObject({ code: 0 })
  const flags = ['--controller', cluster.controller]
  expect(await invoke(undefined, ['ls', '-o', 'name', ...flags], { host })).toMatchObject({ code: 0 })
  expect(await invoke(undefined, ['ls'], { host })).toMatchObject({ code: 1 })
})
