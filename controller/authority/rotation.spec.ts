import { describe, expect, it } from 'vitest'
import { Authority, type AuthorityState, Identity } from '../../proto/index.ts'
import { introduce, nextStep } from './rotation.ts'

const now = Date.parse('2030-01-01T00:00:00Z')
const authority = (id: string, state: AuthorityState) => Authority.create({ id, state, certificate: `PEM ${id}` })
const set = (...authorities: Authority[]) => ({ authorities })

/** `node host1 of=old trusts=old,new`, and `expired` where its certificate is. */
function identity(text: string): Identity {
  const [role = '', name = '', ...rest] = text.split(' ')
  const value = (key: string) => rest.find((part) => part.startsWith(`${key}=`))?.slice(key.length + 1) ?? ''
  return Identity.create({
    role,
    name,
    authority: value('of'),
    trusts: value('trusts').split(','),
    notAfter: rest.includes('expired') ? '2029-12-31T00:00:00Z' : '2030-06-01T00:00:00Z',
  })
}

const show = (step: ReturnType<typeof nextStep>) =>
  step && [
    step.becomes,
    step.next.authorities.map(({ id, state }) => `${id} ${state}`).join(', '),
    ...step.waitingFor.map(({ line, essential }) => `${line}${essential ? ' (essential)' : ''}`),
  ]

describe('nextStep', () => {
  const introduced = set(authority('old', 'ACTIVE'), authority('new', 'INTRODUCED'))
  const retiring = set(authority('old', 'RETIRING'), authority('new', 'ACTIVE'))
  const activated = 'old RETIRING, new ACTIVE'

  it.each([
    ['nothing is under way', set(authority('old', 'ACTIVE')), ['node host1 of=old trusts=old'], undefined],
    ['nobody is there', introduced, [], ['active', activated]],
    [
      'hosts have not confirmed',
      introduced,
      ['node host1 of=old trusts=old', 'controller host2 of=old trusts=old', 'node host3 of=old trusts=old,new'],
      [
        'active',
        activated,
        'node host1 does not trust the new authority yet',
        'controller host2 does not trust the new authority yet (essential)',
      ],
    ],
    [
      'all hosts have confirmed, and persons have not',
      introduced,
      [
        'node host1 of=old trusts=old,new',
        'admin root of=old trusts=old',
        'viewer eve of=old trusts=old',
        'viewer bob of=old trusts=old expired',
      ],
      [
        'active',
        activated,
        'admin root does not trust the new authority yet: any overlayctl command as admin root does it',
        'viewer eve does not trust the new authority yet: any overlayctl command as viewer eve does it',
      ],
    ],
    ['an expired host has not', introduced, ['node host1 of=old trusts=old expired'], ['active', activated]],
    [
      'certificates of the old one are left',
      retiring,
      ['node host1 of=old trusts=old,new', 'admin root of=old trusts=old,new', 'node host2 of=new trusts=new'],
      [
        'gone',
        'new ACTIVE',
        'node host1 still has a certificate of the old authority',
        'admin root still has a certificate of the old authority: any overlayctl command as admin root does it',
      ],
    ],
    [
      'a host is out of touch, perhaps not quite',
      retiring,
      ['node host1 of=old trusts=old'],
      ['gone', 'new ACTIVE', 'node host1 still has a certificate of the old authority'],
    ],
    ['only one is left that is out of touch', retiring, ['viewer eve of=old trusts=old'], ['gone', 'new ACTIVE']],
    ['only expired ones are left', retiring, ['node host1 of=old trusts=old,new expired'], ['gone', 'new ACTIVE']],
    ['none is left', retiring, ['node host1 of=new trusts=new'], ['gone', 'new ACTIVE']],
  ])('when %s', (_, authorities, identities, expected) => {
    expect(show(nextStep(authorities, identities.map(identity), now))).toEqual(expected)
  })

  it('says since when an authority is in its state', () => {
    const since = nextStep(introduced, [], now)?.next.authorities.map((each) => each.since)
    expect(since).toEqual(['2030-01-01T00:00:00.000Z', '2030-01-01T00:00:00.000Z'])
  })
})

it('one authority is introduced at a time', () => {
  const first = introduce(set(authority('old', 'ACTIVE')), authority('new', 'INTRODUCED'))
  expect(first.authorities.map(({ id }) => id)).toEqual(['old', 'new'])
  expect(() => introduce(first, authority('newer', 'INTRODUCED'))).toThrow('is being changed already')
})
