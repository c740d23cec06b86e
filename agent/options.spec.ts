import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { readOptions } from '../lib/options.ts'
import { createAuthority, createKey, createRequest, issueCertificate } from '../lib/pki/issue.ts'
import { agentSpec } from './options.ts'

vi.mock('node:os', () => ({ hostname: vi.fn() }))

const directory = mkdtempSync('/tmp/overlay-agent-options-')
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function fileWith(name: string, content: string): string {
  writeFileSync(join(directory, name), content)
  return join(directory, name)
}

beforeEach(() => void vi.mocked(hostname).mockReturnValue('Host-1.example.org'))

const read = (flags: string, env: NodeJS.ProcessEnv = {}) =>
  readOptions(agentSpec, flags.split(' ').filter(Boolean), env)

describe('the agent’s options', () => {
  it('have defaults for all but etcd', () => {
    expect(read('--etcd http://a:2379')).toEqual({
      etcd: ['http://a:2379'],
      node: 'host-1',
      vxlanPort: 4789,
      socket: '/run/overlay/agent.sock',
      stateDir: '/var/lib/overlay/agent',
      sessionTtl: 30,
      sandboxGrace: 60,
      resync: false,
      purge: false,
      prefix: '/overlay/v1/',
      tls: undefined,
      etcdTls: undefined,
      logLevel: 'info',
    })
  })

  it('are read from flags and environment', () => {
    const flags = '--etcd https://a,https://b --node n7 --vtep-address FD00::7 --vxlan-port 8472'
    expect(read(flags, { OVERLAY_SESSION_TTL: '5', OVERLAY_STATE_DIR: '/s' })).toMatchObject({
      etcd: ['https://a:2379', 'https://b:2379'],
      node: 'n7',
      vtepAddress: 'fd00::7',
      vxlanPort: 8472,
      sessionTtl: 5,
      sandboxGrace: 60,
      stateDir: '/s',
    })
  })

  it('name every fault', () => {
    const flags =
      '--node N_7 --vtep-interface a/b --vxlan-port 0 --session-ttl 1.5 --socket s --prefix p --tls-key k --log-level loud'
    expect(() => read(flags)).toThrow(
      /^--etcd: is required.*\n--node: "N_7" is not a name.*\n--vtep-interface: .*\n--vxlan-port: must be a whole number from 1 to 65535\n--socket: must be an absolute path\n--session-ttl: must be a whole number from 5 to 3600\n--prefix: "p" is not a prefix.*\n--log-level: must be one of .*\n--tls-ca: TLS needs --tls-ca.*$/,
    )
  })

  it('faults of etcd’s URLs and of the TLS files come with the others', () => {
    const flags = '--etcd http://a,ftp://b --tls-cert c --tls-ca /none --vxlan-port 0'
    expect(() => read(flags)).toThrow(
      /^--vxlan-port: .*\n--etcd: etcd URL "http:\/\/a": TLS files.*\n--tls-ca: give .*$/,
    )
    expect(() => read('--etcd ftp://b --tls-ca /none')).toThrow(
      /^--etcd: etcd URL "ftp:\/\/b": only http and https are known.*\n--tls-ca: --tls-ca \/none: cannot be read/,
    )
  })

  it('the TLS files are read, and are etcd’s too unless it has its own', async () => {
    const [one, other] = await Promise.all(['one', 'other'].map(async (name) => createAuthority(name, 3_600_000)))
    const ca = fileWith('ca.crt', one?.certificate ?? '')
    const etcdCa = fileWith('etcd-ca.crt', other?.certificate ?? '')
    const { etcd, tls, etcdTls } = read(`--etcd a --tls-ca ${ca}`)
    expect(etcd).toEqual(['https://a:2379'])
    expect(String(tls?.current().ca)).toBe(one?.certificate)
    expect(etcdTls).toBe(tls)
    const apart = read(`--etcd a --tls-ca ${ca} --etcd-ca ${etcdCa}`)
    expect(String(apart.tls?.current().ca)).toBe(one?.certificate)
    expect(String(apart.etcdTls?.current().ca)).toBe(other?.certificate)
    expect(() => read('--etcd a --etcd-ca /none')).toThrow('--etcd-ca: --etcd-ca /none: cannot be read')
  })

  it('a pair whose replacement was cut short is whole again', async () => {
    const authority = await createAuthority('one', 3_600_000)
    const [before, after] = await Promise.all(
      [1, 2].map(async () => {
        const pair = await createKey()
        const fields = { commonName: 'node', life: 3_600_000 }
        return { key: pair.key, cert: await issueCertificate(authority, await createRequest(pair), fields) }
      }),
    )
    const [ca, cert] = [fileWith('ca.crt', authority.certificate), fileWith('tls.crt', before?.cert ?? '')]
    const key = fileWith('tls.key', after?.key ?? '')
    fileWith('tls.crt.new', after?.cert ?? '')
    const { tls } = read(`--etcd a --tls-ca ${ca} --tls-cert ${cert} --tls-key ${key}`)
    expect(String(tls?.current().cert)).toBe(after?.cert)
  })

  it('to purge, no store is needed, nor files that may be gone', () => {
    expect(read('--purge --tls-ca /none')).toMatchObject({ purge: true, etcd: [], tls: undefined })
    expect(() => read('--purge --vxlan-port 0')).toThrow('--vxlan-port')
  })

  it('etcd may be a list in the file', () => {
    const file = fileWith('agent.yaml', 'etcd: [http://a, http://b:7]\nprefix: /other\n')
    expect(read(`--config ${file}`)).toMatchObject({ etcd: ['http://a:2379', 'http://b:7'], prefix: '/other/' })
  })

  it('a socket’s path has at most 100 bytes', () => {
    expect(read(`--etcd a --socket /${'s'.repeat(99)}`).socket).toHaveLength(100)
    expect(() => read(`--etcd a --socket /${'ä'.repeat(50)}`)).toThrow('--socket: is longer than 100 bytes')
  })

  it('a hostname that is no node name asks for --node', () => {
    vi.mocked(hostname).mockReturnValue('my_host')
    expect(() => read('--etcd a')).toThrow('--node: "my_host" is not a name')
    expect(read('--etcd a --node n7').node).toBe('n7')
  })

  it('one way to name the VTEP is enough', () => {
    const both = '--etcd a --vtep-address 10.0.0.1 --vtep-interface eth0'
    expect(() => read(both)).toThrow('--vtep-address: give either --vtep-address or --vtep-interface')
  })
})
