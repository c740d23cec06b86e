import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadBundle } from './code-cache.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'code-cache-'))
  path = join(directory, 'bundle.cjs')
  writeFileSync(path, 'require("node:process").env.BUNDLE_RAN = __dirname')
})

afterEach(() => {
  delete process.env['BUNDLE_RAN']
  rmSync(directory, { recursive: true })
})

it('runs a bundle without a cache, and takes the cache once it is written', () => {
  const first = loadBundle(path)
  first.run()
  expect(process.env['BUNDLE_RAN']).toBe(directory)
  expect(first.cached).toBe(false)
  first.writeCache()
  const second = loadBundle(path)
  expect(second.cached).toBe(true)
  second.run()
})

it('compiles anew when V8 refuses the cache', () => {
  writeFileSync(`${path}.cache`, 'of another version')
  const bundle = loadBundle(path)
  expect(bundle.cached).toBe(false)
  bundle.run()
  expect(process.env['BUNDLE_RAN']).toBe(directory)
})
