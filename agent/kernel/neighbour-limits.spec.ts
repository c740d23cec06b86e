import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createLogger } from '../../lib/log.ts'
import { neighbourLimits } from './neighbour-limits.ts'

let root = ''
const log = createLogger('test', 'silent')
const warn = vi.spyOn(log, 'warn')

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'overlay-neighbour-limits-'))
  warn.mockClear()
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const pathOf = (family: string, n: number) => join(root, family, 'neigh/default', `gc_thresh${n}`)

function set(family: string, values: readonly number[]): void {
  mkdirSync(join(root, family, 'neigh/default'), { recursive: true })
  for (const [at, value] of values.entries()) writeFileSync(pathOf(family, at + 1), `${value}\n`)
}

const read = (family: string) => [1, 2, 3].map((n) => Number(readFileSync(pathOf(family, n), 'utf8')))

it('tells what is lower, raises it, and lowers nothing', () => {
  set('ipv4', [128, 512, 1024])
  set('ipv6', [8_193, 512, 1_000_000])
  const limits = neighbourLimits(log, root)
  expect(limits.faults().slice(2)).toEqual([
    { what: 'net.ipv4.neigh.default.gc_thresh3', wanted: '65536', found: '1024' },
    { what: 'net.ipv6.neigh.default.gc_thresh2', wanted: '32768', found: '512' },
  ])
  limits.raise()
  expect(limits.faults()).toEqual([])
  expect(read('ipv4')).toEqual([8_192, 32_768, 65_536])
  expect(read('ipv6')).toEqual([8_193, 32_768, 1_000_000])
  expect(warn).not.toHaveBeenCalled()
})

it('where there are none, as in a namespace, nothing happens', () => {
  set('ipv4', [128])
  neighbourLimits(log, root).raise()
  expect(Number(readFileSync(pathOf('ipv4', 1), 'utf8'))).toBe(8_192)
  expect(warn).not.toHaveBeenCalled()
})

it('tells which one cannot be raised, once, and goes on', () => {
  set('ipv4', [128, 512, 1024])
  rmSync(pathOf('ipv4', 2))
  mkdirSync(pathOf('ipv4', 2))
  const limits = neighbourLimits(log, root)
  limits.raise()
  limits.raise()
  expect(limits.faults()).toEqual([])
  expect(warn).toHaveBeenCalledOnce()
  expect(warn.mock.calls[0]?.[0]).toMatchObject({ path: pathOf('ipv4', 2), entries: 32_768 })
  expect(Number(readFileSync(pathOf('ipv4', 3), 'utf8'))).toBe(65_536)
})
