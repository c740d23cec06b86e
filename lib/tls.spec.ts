import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readTls, serverCredentials } from './tls.ts'

let directory = ''
const file = (name: string) => join(directory, name)

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-tls-'))
  for (const name of ['ca', 'cert', 'key']) writeFileSync(file(name), `the ${name}`)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('readTls', () => {
  it('is undefined when no file is named', () => {
    expect(readTls({})).toBeUndefined()
    expect(readTls({ cert: undefined, key: undefined, ca: undefined })).toBeUndefined()
  })

  it('reads what is named', () => {
    expect(readTls({ ca: file('ca') })).toEqual({ ca: Buffer.from('the ca') })
    expect(readTls({ ca: file('ca'), cert: file('cert'), key: file('key') })).toEqual({
      ca: Buffer.from('the ca'),
      cert: Buffer.from('the cert'),
      key: Buffer.from('the key'),
    })
  })

  it('says what is missing', () => {
    expect(() => readTls({ cert: file('cert'), key: file('key') })).toThrow('TLS needs --tls-ca')
    expect(() => readTls({ ca: file('ca'), cert: file('cert') })).toThrow('give --tls-cert and --tls-key together')
    expect(() => readTls({ ca: file('ca'), key: file('key') })).toThrow('give --tls-cert and --tls-key together')
    expect(() => readTls({ ca: file('none') })).toThrow(`--tls-ca ${file('none')}: cannot be read: ENOENT`)
    expect(() => readTls({ ca: file('ca'), cert: file('none'), key: file('key') })).toThrow(
      `--tls-cert ${file('none')}: cannot be read: ENOENT`,
    )
  })
})

it('to serve, a certificate is needed', () => {
  expect(() => serverCredentials({ ca: Buffer.from('') })).toThrow(
    'to serve with TLS give --tls-cert and --tls-key too',
  )
})
