import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Controller } from '../proto/index.ts'
import { followControllers, writeControllers } from './controllers.ts'
import { feeds, gone, keys, put, snapshot } from './testing/feeds.ts'

const log = pino({ level: 'silent' })
let directory = ''
let stop: AbortController

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-controllers-'))
  stop = new AbortController()
})
afterEach(() => {
  stop.abort()
  rmSync(directory, { recursive: true, force: true })
})

const entry = (id: string, address = `${id}:4780`) => ({
  path: keys.controller(id).path,
  value: Controller.create({ id, address }),
  json: {},
  createRevision: 1,
  modRevision: 1,
})

it('their addresses are in a file, a line each, and those that were last stay when all are gone', async () => {
  const file = join(directory, 'controllers')
  const { store, tell } = feeds()
  const controllers = followControllers(store, stop.signal, log)
  writeControllers(controllers, file, log)
  const content = () => readFileSync(file, 'utf8')
  const { prefix } = keys.controllers
  await tell(prefix, snapshot([]))
  expect(readdirSync(directory)).toEqual([])
  await tell(prefix, snapshot([entry('b'), entry('a')]))
  expect([content(), statSync(file).mode & 0o777]).toEqual(['a:4780\nb:4780\n', 0o644])
  await tell(prefix, put(entry('b', 'c:4780')))
  expect(content()).toBe('a:4780\nc:4780\n')
  await tell(prefix, gone(keys.controller('a')))
  expect(content()).toBe('c:4780\n')
  await tell(prefix, snapshot([]))
  expect([content(), controllers.all().size]).toEqual(['c:4780\n', 0])
  expect(readdirSync(directory)).toEqual(['controllers'])
})

it('those that are known before it begins are written too, and to no other file that a link leads to', async () => {
  const file = join(directory, 'controllers')
  const others = join(directory, 'others')
  writeFileSync(others, 'theirs')
  symlinkSync(others, `${file}.new`)
  const { store, tell } = feeds()
  const controllers = followControllers(store, stop.signal, log)
  await tell(keys.controllers.prefix, snapshot([entry('a')]))
  writeControllers(controllers, file, log)
  expect([readFileSync(file, 'utf8'), readFileSync(others, 'utf8')]).toEqual(['a:4780\n', 'theirs'])
})
