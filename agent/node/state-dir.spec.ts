import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStateDir } from './state-dir.ts'

let root = ''
const path = () => join(root, 'agent')

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'overlay-state-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const memory = { clusterUid: 'c1', revision: 7, generation: 3 }

describe('the uid', () => {
  it('is made once', () => {
    const { nodeUid } = openStateDir(path())
    expect(nodeUid).toMatch(/^[0-9a-f-]{36}$/)
    expect(openStateDir(path()).nodeUid).toBe(nodeUid)
    rmSync(path(), { recursive: true })
    expect(openStateDir(path()).nodeUid).not.toBe(nodeUid)
  })

  it('is made anew when a power cut left its file empty', () => {
    openStateDir(path())
    writeFileSync(join(path(), 'node-uid'), '')
    const { nodeUid } = openStateDir(path())
    expect(nodeUid).not.toBe('')
    expect(openStateDir(path()).nodeUid).toBe(nodeUid)
  })
})

it('the members of etcd are those that were seen last', () => {
  const stateDir = openStateDir(path())
  expect(stateDir.readMembers()).toEqual([])
  stateDir.writeMembers(['https://a:2379', 'https://b:2379'])
  expect(openStateDir(path()).readMembers()).toEqual(['https://a:2379', 'https://b:2379'])
})

describe('the memory', () => {
  it('is what was written last', () => {
    const stateDir = openStateDir(path())
    expect(stateDir.readMemory()).toBeUndefined()
    stateDir.writeMemory(memory)
    stateDir.writeMemory({ ...memory, revision: 8, doubt: 'it went back' })
    expect(openStateDir(path()).readMemory()).toEqual({ ...memory, revision: 8, doubt: 'it went back' })
  })

  it.each(['', '{"clusterUid": "c1"', '{}', 'null', '{"clusterUid": 7, "revision": 1, "generation": 1}'])(
    'is none when its file is %j',
    (content) => {
      const stateDir = openStateDir(path())
      writeFileSync(join(path(), 'cluster.json'), content)
      expect(stateDir.readMemory()).toBeUndefined()
    },
  )
})

describe('what lives here', () => {
  it('is what was written last, with its labels', () => {
    const stateDir = openStateDir(path())
    expect(stateDir.readEndpoints()).toEqual([])
    stateDir.writeEndpoints([{ id: 'e1' }, { id: 'e2' }])
    stateDir.writeEndpoints([{ id: 'e1', network: 'web', addresses: ['10.0.9.2'], labels: { app: 'shop' } }])
    expect(openStateDir(path()).readEndpoints()).toMatchObject([
      { id: 'e1', network: 'web', addresses: ['10.0.9.2'], labels: { app: 'shop' } },
    ])
  })

  it.each(['', '[{"id"', '{}', '[7]', 'null'])('is nothing when its file is %j', (content) => {
    const stateDir = openStateDir(path())
    writeFileSync(join(path(), 'endpoints.json'), content)
    expect(stateDir.readEndpoints()).toEqual([])
  })
})

it('the directory is for its owner alone', () => {
  openStateDir(path())
  expect(statSync(path()).mode & 0o777).toBe(0o700)
  expect(readdirSync(path()).toSorted()).toEqual(['intents', 'node-uid'])
})

it('says which file it cannot use', () => {
  writeFileSync(path(), 'a file')
  expect(() => openStateDir(path())).toThrow(`state directory: ${path()}: `)
  rmSync(path())
  const stateDir = openStateDir(path())
  mkdirSync(join(path(), 'cluster.json'))
  expect(() => stateDir.readMemory()).toThrow(`state directory: ${join(path(), 'cluster.json')}: EISDIR`)
  expect(() => stateDir.writeMemory(memory)).toThrow(expect.objectContaining({ code: 'failed_precondition' }))
})
