import { expect, test } from 'vitest'
import { shows, typedCommands } from './walk.ts'

test('what is typed, and what is shown after it', () => {
  const text = 'Then:\n\n```console\n$ one --flag\nNAME  AGE\nweb   3s\n\n$ two\n```\n\nor\n\n```sh\nnot this\n```\n'
  expect(typedCommands(text)).toEqual([
    { command: 'one --flag', shown: ['NAME  AGE', 'web   3s'] },
    { command: 'two', shown: [] },
  ])
})

test.each([
  ['NAME AGE\nweb 12s\n', ['NAME  AGE', 'web  …'], true],
  ['noise\nNAME   AGE\nweb   12s   more', ['NAME AGE', 'web 12s'], false],
  ['web 1s\nNAME AGE', ['NAME AGE', 'web …'], true],
  ['NAME AGE', ['NAME AGE', 'web …'], false],
  ['a (b) is 10.0.9.2', ['a (b) is 10.0.9.2'], true],
  ['a (b) is 10x0.9.2', ['a (b) is 10.0.9.2'], false],
  ['anything', [], true],
])('%j shows %j: %s', (output, shown, expected) => {
  expect(shows(output, shown)).toBe(expected)
})
