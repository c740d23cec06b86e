import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createAuthority, createKey, createRequest, issueCertificate } from './issue.ts'
import { replaceFile, replacePair, settlePair } from './replace-files.ts'

let directory = ''
const authority = await createAuthority('test', 3_600_000)
const [before, after] = [await pair(), await pair()]

async function pair() {
  const keys = await createKey()
  const fields = { commonName: 'test', life: 3_600_000 }
  return { key: keys.key, cert: await issueCertificate(authority, await createRequest(keys), fields) }
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-pair-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const files = () => ({ cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') })
const content = () => {
  const { cert, key } = files()
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
}

it('replaces a pair, for its owner alone, and leaves nothing beside it', () => {
  replacePair(files(), before)
  // Of a run that was cut short before it began to rename.
  writeFileSync(`${files().key}.new`, 'half', { mode: 0o644 })
  replacePair(files(), after)
  expect(content()).toEqual(after)
  expect(readdirSync(directory).toSorted()).toEqual(['tls.crt', 'tls.key'])
  expect(statSync(files().key).mode & 0o777).toBe(0o600)
  replaceFile(files().cert, before.cert, 0o640)
  expect(statSync(files().cert).mode & 0o777).toBe(0o640)
})

it.each(['cert', 'key'] as const)('ends a replacement of which only the %s is in its place', (done) => {
  replacePair(files(), before)
  for (const part of ['cert', 'key'] as const) writeFileSync(`${files()[part]}.new`, after[part])
  renameSync(`${files()[done]}.new`, files()[done])
  settlePair(files())
  expect(content()).toEqual(after)
})

it('leaves alone what fits, and what it cannot mend', () => {
  replacePair(files(), before)
  writeFileSync(`${files().cert}.new`, after.cert)
  writeFileSync(`${files().key}.new`, after.key)
  settlePair(files())
  expect(content()).toEqual(before)
  for (const name of readdirSync(directory)) if (name.endsWith('.new')) rmSync(join(directory, name))
  writeFileSync(files().key, after.key)
  settlePair(files())
  expect(content()).toEqual({ cert: before.cert, key: after.key })
  rmSync(files().cert)
  settlePair(files())
  expect(readdirSync(directory)).toEqual(['tls.key'])
})
