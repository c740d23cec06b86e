import { expect, it } from 'vitest'
import { heldNamespaces } from './daemon-check.ts'

it.each([
  ['its own', ['net:[1]', 'net:[1]'], []],
  ['no namespace', ['socket:[2]', '/var/log/net:[2]', 'anon_inode:[eventpoll]'], []],
  ['one that nobody else has any more', ['net:[1]', 'net:[2]'], ['net:[2]']],
  ['the same twice', ['net:[2]', 'net:[2]'], ['net:[2]', 'net:[2]']],
])('finds of the namespaces that are open those that are held: %s', (_, open, held) => {
  expect(heldNamespaces(open, 'net:[1]')).toEqual(held)
})
