import { expect, it } from 'vitest'
import { checkSandbox } from './sandbox.ts'

it.each([{ netns: '/run/netns/c1' }, { netns: `/${'a'.repeat(4094)}` }, { pid: 7 }])('%j', (request) => {
  expect(() => checkSandbox(request)).not.toThrow()
})

it.each([
  [{}, 'name the network namespace by exactly one of netns (a path) and pid (a process)'],
  [{ netns: '/run/netns/c1', pid: 7 }, 'exactly one of netns (a path) and pid'],
  [{ pid: 0 }, '0 is no process'],
  [{ netns: 'c1' }, '"c1" is not an absolute path'],
  [{ netns: '' }, '"" is not an absolute path'],
  [{ netns: '/run/netns/a\0b' }, 'is not an absolute path'],
  [{ netns: '/run/netns/a\nb' }, '"/run/netns/a\\nb" is not an absolute path'],
  [{ netns: `/${'ä'.repeat(2048)}` }, 'is not an absolute path'],
])('%j: %s', (request, message) => {
  expect(() => checkSandbox(request)).toThrow(message)
})
