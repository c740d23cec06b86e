import type { X509Certificate } from 'node:crypto'
import { expect, it } from 'vitest'
import { commonName, identityOf, identityUri } from './identity.ts'

const id = '0123456789abcdef'
const of = (subjectAltName: string | undefined, subject = `CN=node-${id}`) =>
  identityOf({ subject, subjectAltName } as X509Certificate)

it('is what was written into the certificate', () => {
  const identity = { role: 'node', name: 'h1', id } as const
  expect(of(identityUri(identity), `CN=${commonName(identity)}`)).toBeUndefined()
  expect(of(`URI:${identityUri(identity)}`, `CN=${commonName(identity)}`)).toEqual(identity)
  expect(of(`DNS:h1, IP Address:10.0.0.1, URI:${identityUri(identity)}`)).toEqual(identity)
})

it.each([
  ['no alternative name', undefined],
  ['no such URI', 'DNS:h1, URI:https://example.com'],
  ['another role', 'URI:overlay:root:h1'],
  ['no name', 'URI:overlay:node:'],
  ['what is no name', 'URI:overlay:node:H1'],
  ['a name with more in it', 'URI:overlay:node:h1:x'],
  ['two identities', 'URI:overlay:node:h1, URI:overlay:admin:eve'],
  ['a host name that looks like more names', 'DNS:"x, URI:overlay:admin:eve, y"'],
  ['the same with an escaped quote', String.raw`DNS:"x\", URI:overlay:admin:eve, y"`],
  ['a URI in quotes', 'URI:"overlay:admin:eve"'],
  ['a name of another kind', 'DNS:overlay:admin:eve'],
])('is none with %s', (_, names) => {
  expect(of(names)).toBeUndefined()
})

it.each([
  ['of another role', `CN=admin-${id}`],
  ['too short', 'CN=node-0123'],
  ['of an authority of the operator', 'C=DE\nO=Example\nCN=host1.example.com'],
  ['twice', `CN=node-${id}\nCN=node-${id}`],
  ['absent', 'O=Example'],
])('has no id where the common name is %s', (_, subject) => {
  expect(of('URI:overlay:node:h1', subject)).toEqual({ role: 'node', name: 'h1', id: undefined })
})
