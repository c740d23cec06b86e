import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readResolvers } from './resolvers.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-resolvers-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** The resolvers where the two files are these, `h` and `r`; one may be missing. */
function resolvers(host: string | undefined, resolved?: string): string[] {
  const files = { host: join(directory, 'h'), resolved: join(directory, 'r') }
  if (host !== undefined) writeFileSync(files.host, host)
  if (resolved !== undefined) writeFileSync(files.resolved, resolved)
  return readResolvers(files).map(({ address, from }) => `${address} ${from.slice(-1)}`)
}

it.each([
  ['no file', undefined, undefined, []],
  ['an empty file', '', undefined, []],
  [
    'name servers',
    'search a.example\nnameserver 10.0.0.2\n nameserver\t2001:DB8::53 # two\n',
    undefined,
    ['10.0.0.2 h', '2001:db8::53 h'],
  ],
  ['others in comments', '# nameserver 10.0.0.2\n;nameserver 10.0.0.3\n#nameserver 10.0.0.4', undefined, []],
  ['no addresses', 'nameserver\nnameserver localhost\nnameserver 10.0.0.2', undefined, ['10.0.0.2 h']],
  [
    'local ones',
    'nameserver 127.0.0.1\nnameserver ::1\nnameserver 0.0.0.0\nnameserver fe80::1%eth0\nnameserver fe80::1',
    undefined,
    [],
  ],
  [
    'systemd-resolved',
    'nameserver 127.0.0.53\n',
    'nameserver 10.0.0.2\nnameserver 10.0.0.3\n',
    ['10.0.0.2 r', '10.0.0.3 r'],
  ],
  ['systemd-resolved, told nobody', 'nameserver 127.0.0.53\n', undefined, []],
  ['another stub', 'nameserver 127.0.0.1\n', 'nameserver 10.0.0.2\n', []],
])('%s', (_, host, resolved, expected) => {
  expect(resolvers(host, resolved)).toEqual(expected)
})
