import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readOptions } from '../lib/options.ts'
import { controllerProgram } from './options.ts'

const read = (flags: string, env: NodeJS.ProcessEnv = {}) =>
  readOptions(controllerProgram, flags.split(' ').filter(Boolean), env)

describe('controllerProgram', () => {
  it('runs all on one host by default', () => {
    const options = read('')
    expect(options.etcdUrls).toEqual(['http://127.0.0.1:2379'])
    expect(options.embeddedEtcd?.directory).toBe('/var/lib/overlay/controller/etcd')
    expect(options.listen).toEqual({ host: '127.0.0.1', port: 4780 })
    expect(options.advertise).toEqual(options.listen)
    expect(options.prefix).toBe('/overlay/v1/')
    expect(options.vnis).toEqual({ min: 1048576, max: 16777215 })
    expect(options.pools.map(({ cidr, size }) => `${cidr.text}:${size}`)).toEqual(['10.64.0.0/10:24'])
    expect(options.nodeGrace).toBe(0)
    expect(options.certificateLife).toBe(31_536_000)
    expect(options.sealingKey).toBeUndefined()
    expect(options.logLevel).toBe('info')
  })

  it('takes an etcd that is there', () => {
    const options = read('--etcd http://10.0.0.1:2379,http://10.0.0.2:2379 --listen 10.0.0.1:4780 --prefix /x')
    expect(options.etcdUrls).toEqual(['http://10.0.0.1:2379', 'http://10.0.0.2:2379'])
    expect(options.embeddedEtcd).toBeUndefined()
    expect(options.prefix).toBe('/x/')
  })

  it('reaches an embedded etcd that listens everywhere through the loopback', () => {
    const options = read('--embedded-etcd-listen http://0.0.0.0:2379 --listen 0.0.0.0:4780 --advertise 10.0.0.1:4780')
    expect(options.etcdUrls).toEqual(['http://127.0.0.1:2379'])
    expect(options.embeddedEtcd?.addresses.advertisedHost).toBe('10.0.0.1')
  })

  it('takes a grace of up to 30 days', () => {
    expect(read('--node-grace 2592000').nodeGrace).toBe(2_592_000)
  })

  it('takes pools in their order, from flags and environment', () => {
    expect(read('--pool 10.1.0.0/16:26 --pool fd00::/48:64').pools).toHaveLength(2)
    expect(read('', { OVERLAY_POOL: '10.1.0.0/16:26,10.2.0.0/16:26', OVERLAY_LISTEN: '[::1]:1' })).toMatchObject({
      pools: [{ size: 26 }, { size: 26 }],
      listen: { host: '::1', port: 1 },
    })
  })

  it.each([
    ['--listen x', '--listen: "x" is not HOST:PORT'],
    ['--listen [10.0.0.1]:1', 'is not HOST:PORT'],
    ['--listen 10.0.0.1:65536', 'is not HOST:PORT'],
    ['--listen 10.0.0.1:0', 'is not HOST:PORT'],
    ['--listen 0.0.0.0:4780', '--advertise: 0.0.0.0:4780 is no address that agents can dial'],
    ['--listen [::]:4780', '--advertise: [::]:4780 is no address'],
    ['--etcd http://10.0.0.1:2379', '--advertise: 127.0.0.1:4780 is reached from this host only'],
    ['--embedded-etcd-listen http://10.0.0.1:2379', '--advertise: 127.0.0.1:4780 is reached from this host only'],
    ['--embedded-etcd-listen http://0.0.0.0:2379', '--advertise: 127.0.0.1:4780 is reached'],
    ['--etcd ftp://10.0.0.1 --listen 10.0.0.1:1', '--etcd: etcd URL "ftp://10.0.0.1": only http and https'],
    ['--etcd http://127.0.0.1:1 --embedded-etcd /x', '--embedded-etcd: goes without --etcd'],
    ['--embedded-etcd-listen 127.0.0.1:2379', 'is not a URL with host and port'],
    ['--embedded-etcd-listen https://127.0.0.1:2379', 'needs --tls-cert'],
    ['--vni-range 5', '--vni-range: "5" is not MIN-MAX'],
    ['--vni-range 9-5', '--vni-range: 9 is above 5'],
    ['--vni-range 1-16777216', '--vni-range: 16777216 is not a VNI'],
    ['--pool 10.0.0.0/8', '--pool: "10.0.0.0/8" is not CIDR:SIZE'],
    ['--pool 10.0.0.1/8:24', 'has host bits set'],
    ['--pool 10.0.0.0/16:8', 'subnets of /8 do not fit'],
    ['--pool 10.0.0.0/16:31', 'too small'],
    ['--pool 224.0.0.0/8:24', 'reserved'],
    ['--prefix overlay', '--prefix: "overlay" is not a prefix of keys'],
    ['--log-level loud', '--log-level: "loud" is not one of'],
    ...['2592001', '99999999999999999999', '1.5', '5m', '-1'].map((grace) => [
      `--node-grace=${grace}`,
      `--node-grace: "${grace}" is not a whole number of seconds from 0 (never) to 2592000 (30 days)`,
    ]),
    ['--tls-cert /nowhere', '--tls-ca: TLS needs --tls-ca'],
    ['--tls-ca /nowhere', '--tls-ca: --tls-ca /nowhere: cannot be read'],
    ['--etcd-ca /nowhere', '--etcd-ca: goes with --etcd'],
    ['--etcd https://127.0.0.1:1 --etcd-cert /x', '--etcd-ca: TLS needs --etcd-ca'],
    ['--sealing-key /nowhere', '--sealing-key: /nowhere cannot be read'],
    ['--etcd-tls /x --etcd http://127.0.0.1:1', '--etcd-tls: needs --sealing-key'],
    ...['59', '1h', '-1', '999999999'].map((life) => [
      `--certificate-life=${life}`,
      `--certificate-life: "${life}" is not a whole number of seconds from 60 to 315360000 (10 years)`,
    ]),
  ])('refuses %s', (flags, why) => {
    expect(() => read(flags)).toThrow(why)
  })

  it('takes a sealing key of 32 bytes that nobody else can read', () => {
    const directory = mkdtempSync(join(tmpdir(), 'overlay-options-'))
    const file = join(directory, 'sealing.key')
    try {
      writeFileSync(file, Buffer.alloc(31), { mode: 0o600 })
      expect(() => read(`--sealing-key ${file}`)).toThrow('a sealing key has 32 bytes, and this has 31')
      writeFileSync(file, Buffer.alloc(32))
      expect(() => read(`--sealing-key ${file}`)).toThrow('--sealing-key: needs --tls-cert, --tls-key and --tls-ca')
      chmodSync(file, 0o640)
      expect(() => read(`--sealing-key ${file}`)).toThrow(`${file} can be read by others than its owner: chmod 600 it`)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('names everything that is wrong at once', () => {
    for (const part of ['--node-grace:', '--listen:', '--vni-range:', '--pool:', '--log-level:', '--prefix:'])
      expect(() =>
        read('--node-grace x --listen x --vni-range y --pool z --pool 10.0.0.0/8 --log-level a --prefix b'),
      ).toThrow(part)
  })
})
