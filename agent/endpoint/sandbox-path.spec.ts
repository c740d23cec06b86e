import { expect, it } from 'vitest'
import { sandboxPath } from './sandbox-path.ts'

it.each([
  [{ netns: '/run/netns/c1' }, '/run/netns/c1'],
  [{ pid: 7 }, '/proc/7/ns/net'],
])('%j is %s', (request, path) => {
  expect(sandboxPath(request)).toBe(path)
})

it('refuses what names none, or two', () => {
  expect(() => sandboxPath({})).toThrow('name the network namespace')
  expect(() => sandboxPath({ netns: '/run/netns/c1', pid: 7 })).toThrow('exactly one of netns')
})
