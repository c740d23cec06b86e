import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Intent, type IntentFile, openIntentFile } from './intent-file.ts'

let root = ''
const open: IntentFile[] = []
const path = () => join(root, 'intents')
const openFile = () => {
  const file = openIntentFile(path())
  open.push(file)
  return file
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'overlay-intents-'))
})
afterEach(() => {
  for (const file of open.splice(0)) file.close()
  rmSync(root, { recursive: true, force: true })
})

const claimOf = (endpointId: string): Intent => {
  return { kind: 'claim', network: 'web', endpointId, bootId: 'boot-1', cookie: '7' }
}

it('keeps intents until they are removed', () => {
  const file = openFile()
  expect(file.read()).toEqual([])
  file.write(claimOf('e1'))
  file.write(claimOf('e2'))
  file.write({ ...claimOf('e1'), kind: 'release' })
  expect(openFile().read()).toEqual([{ ...claimOf('e1'), kind: 'release' }, claimOf('e2')])
  file.remove('e1')
  file.remove('e1')
  file.remove('never')
  expect(file.read()).toEqual([claimOf('e2')])
})

it('removes what a former run wrote, and uses its lines again', () => {
  for (const id of ['e1', 'e2', 'e3']) openFile().write(claimOf(id))
  const { size } = statSync(path())
  const file = openFile()
  file.remove('e2')
  file.write(claimOf('e4'))
  expect(file.read()).toEqual([claimOf('e1'), claimOf('e4'), claimOf('e3')])
  expect(statSync(path()).size).toBe(size)
})

it('passes over what is half written, not ours, or of another version', () => {
  const file = openFile()
  file.write(claimOf('e1'))
  const [line = ''] = readFileSync(path(), 'utf8').split('\n')
  const lines = ['{"kind":"claim","network":"we', JSON.stringify({ ...claimOf('e3'), kind: 'other' }), 'not ours']
  writeFileSync(path(), [line, ...lines.map((text) => text.padEnd(line.length)), '{"kind":'].join('\n'))
  expect(openFile().read()).toEqual([claimOf('e1')])
})

it('has room for the longest intent, and refuses a longer one', () => {
  const longest = {
    ...claimOf('f'.repeat(32)),
    network: 'n'.repeat(63),
    bootId: 'b'.repeat(36),
    cookie: '9'.repeat(20),
  }
  openFile().write(longest)
  expect(openFile().read()).toEqual([longest])
  expect(() => openFile().write({ ...longest, network: 'n'.repeat(500) })).toThrow('at most 511 bytes')
})
