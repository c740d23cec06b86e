import { expect, it } from 'vitest'
import { sandboxPath } from './sandbox-path.ts'

it.each([
  [{ netns: '/run/netns/c1' }, '/run/netns/c1'],
  [{ pid: 7 }, '/proc/7/ns/net'],
  [{ netns: '/run/netns/c1', pid: 7 }, '/run/netns/c1'],
])('%j is %s', (request, path) => {
  expect(sandboxPath(request)).toBe(path)
})

it.each([
  [{}, 'name the network namespace: --netns PATH or --pid N'],
  [{ pid: 0 }, 'name the network namespace: --netns PATH or --pid N'],
  [{ netns: 'c1' }, '"c1" is not an absolute path'],
  [{ netns: '' }, '"" is not an absolute path'],
  [{ netns: '/run/netns/a\0b' }, 'is not an absolute path'],
  [{ netns: `/${'a'.repeat(4096)}` }, 'is not an absolute path'],
])('%j: %s', (request, message) => {
  expect(() => sandboxPath(request)).toThrow(message)
})
