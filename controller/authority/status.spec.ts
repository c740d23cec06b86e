import { beforeAll, describe, expect, it } from 'vitest'
import { createAuthority } from '../../lib/pki/issue.ts'
import { Authority, Identity, type Init } from '../../proto/index.ts'
import { authorityProblems, identityProblems } from './status.ts'

const day = 86_400_000
const start = Date.parse('2030-01-01T00:00:00Z')
const identity = (fields: Init<Identity>) =>
  Identity.create({
    role: 'node',
    name: 'n1',
    issuedAt: '2030-01-01T00:00:00Z',
    notAfter: '2031-01-01T00:00:00Z',
    trusts: ['a'],
    ...fields,
  })

describe('identityProblems', () => {
  const set = { authorities: [Authority.create({ id: 'a', state: 'ACTIVE' })] }
  it.each([
    ['young', {}, 200, []],
    ['being renewed', {}, 300, []],
    [
      'overdue',
      {},
      310,
      ['the certificate of node n1 expires at 2031-01-01T00:00:00Z, and was not renewed: see that its agent runs'],
    ],
    [
      'expired',
      {},
      366,
      ['the certificate of node n1 has expired at 2031-01-01T00:00:00Z: join it again with a token'],
    ],
    ['an expired person', { role: 'viewer' }, 366, []],
    [
      'out of touch',
      { role: 'admin', name: 'ann', trusts: ['old'] },
      1,
      [
        'admin ann does not know the authority that is active now, and so trusts no controller: let it in again ("overlayctl cluster login")',
      ],
    ],
  ] as const)('%s', (_, fields, days, expected) => {
    expect(identityProblems(set, [identity(fields)], start + days * day)).toEqual(expected)
  })

  it('tells twenty, and how many more', () => {
    const many = Array.from({ length: 30 }, (_, index) => identity({ name: `n${index}` }))
    expect(identityProblems(set, many, start + 366 * day)).toHaveLength(21)
    expect(identityProblems(set, many, start + 366 * day).at(-1)).toBe('and 10 more identities')
  })
})

describe('authorityProblems', () => {
  let certificate = ''
  beforeAll(async () => {
    certificate = (await createAuthority('x', 400 * day)).certificate
  })

  it('tells of one that ends within a year, if it signs', () => {
    const of = (state: 'ACTIVE' | 'RETIRING') => ({ authorities: [Authority.create({ id: 'a', state, certificate })] })
    expect(authorityProblems(of('ACTIVE'), Date.now())).toEqual([])
    expect(authorityProblems(of('ACTIVE'), Date.now() + 40 * day)).toEqual([
      expect.stringMatching(/^authority a expires at .*: change it \("overlayctl cluster certs rotate"\)$/),
    ])
    expect(authorityProblems(of('RETIRING'), Date.now() + 40 * day)).toEqual([])
  })
})
