import { expect, it } from 'vitest'
import { removalOf } from './etcdctl.ts'

it.each([
  ['/overlay/v1/addresses/web/fd00:9::7', '/overlay/v1/addresses/web/fd00:9::7'],
  ['/overlay/v1/names/web/a b', "'/overlay/v1/names/web/a b'"],
  ["/overlay/v1/names/web/$(x)'", `'/overlay/v1/names/web/$(x)'\\'''`],
  ['/overlay/v1/names/web/\u001b[2J', "'/overlay/v1/names/web/?[2J'"],
])('a key is one word of a shell: %j', (path, word) => {
  expect(removalOf(path)).toBe(`etcdctl del ${word}`)
})
