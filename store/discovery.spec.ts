import { expect, it } from 'vitest'
import { currentUrls } from './discovery.ts'

const member = (ID: string, ...clientURLs: readonly string[]) => ({ ID, clientURLs, isLearner: false })
const [a, b, c] = ['https://10.0.0.1:2379', 'https://10.0.0.2:2379', 'https://10.0.0.3:2379']
const nobody = new Map<string, string>()

it.each([
  ['adds who is new', [a], [member('1', a), member('2', b)], nobody, [a, b]],
  ['drops who was removed', [a, b, c], [member('1', a), member('3', c)], new Map([[b, undefined]]), [a, c]],
  ['drops one that is a member of something else', [a, b], [member('1', a)], new Map([[b, '9']]), [a]],
  ['keeps another name of a member', [a], [member('1', b)], new Map([[a, '1']]), [a, b]],
  ['takes no second URL of a member', [b], [member('1', a, b)], nobody, [b]],
  ['adds none on the loopback', [a], [member('1', a), member('2', 'https://127.0.0.1:2379')], nobody, [a]],
  ['adds none that is a wildcard', [a], [member('1', a), member('2', 'https://0.0.0.0:2379')], nobody, [a]],
  ['adds none of another scheme', [a], [member('1', a), member('2', 'http://10.0.0.2:2379')], nobody, [a]],
  ['adds none that has not started', [a], [member('1', a), member('2')], nobody, [a]],
  ['adds no learner', [a], [member('1', a), { ...member('2', b), isLearner: true }], nobody, [a]],
  [
    'keeps who is silent where a member tells no address that can be dialled',
    [a, b],
    [member('1', a), member('2', 'https://localhost:2379')],
    new Map([[b, undefined]]),
    [a, b],
  ],
  ['keeps all that it has where there is no member with a vote', [a], [], new Map([[a, undefined]]), [a]],
  [
    'adds others from where only the own host is known',
    ['https://127.0.0.1:2379'],
    [member('1', a), member('2', b)],
    new Map([['https://127.0.0.1:2379', '1']]),
    ['https://127.0.0.1:2379', a, b],
  ],
])('%s', (_, known, listed, whose, expected) => {
  expect(currentUrls(known, listed, whose)).toEqual(expected)
})
