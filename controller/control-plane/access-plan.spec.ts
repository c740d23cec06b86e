import { describe, expect, it } from 'vitest'
import type { Permission } from '../../store/etcd-admin.ts'
import { createKeys } from '../../store/keys.ts'
import { type Access, diffAccess, isOurs, planAccess, problemText } from './access-plan.ts'

const keys = createKeys('/o/')
const host1 = { id: '00000000000000a1', role: 'node', name: 'host1' }
const controller = { id: '00000000000000c1', role: 'controller', name: 'host1' }
const viewer = { id: '00000000000000e1', role: 'viewer', name: 'eve' }
const nothing: Access = { users: new Map(), roles: new Map() }

function text({ permType, key, range_end }: Permission): string {
  return [permType, key.toString(), ...(range_end.length > 0 ? ['to', range_end.toString()] : [])].join(' ')
}

describe('planAccess', () => {
  const { users, roles } = planAccess([host1, controller, viewer], keys)

  it('makes controllers root, and nodes what they are', () => {
    expect([...users]).toEqual([
      ['root', ['root']],
      ['controller-00000000000000c1', ['root']],
      ['node-00000000000000a1', ['node', 'node-00000000000000a1']],
    ])
  })

  it('lets nodes read all but secrets, and write what claims write', () => {
    expect(roles.get('node')?.map(text)).toEqual([
      'Read /o/ to /o/secrets/',
      'Read /o/secrets0 to /o0',
      'Write /o/endpoints/ to /o/endpoints0',
      'Write /o/addresses/ to /o/addresses0',
      'Write /o/names/ to /o/names0',
      'Write /o/macs/ to /o/macs0',
      'Write /o/released/ to /o/released0',
      'Write /o/history/ to /o/history0',
    ])
  })

  it('lets a node write its own keys, by their whole names', () => {
    expect(roles.get('node-00000000000000a1')?.map(text)).toEqual([
      'Write /o/placements/host1/ to /o/placements/host10',
      'Write /o/nodes/host1',
      'Write /o/hostroutes/host1',
      'Write /o/sessions/host1',
    ])
  })
})

describe('diffAccess', () => {
  const wanted = planAccess([host1, controller], keys)

  it('is empty where nothing differs', () => {
    expect(diffAccess(wanted, wanted)).toEqual([])
  })

  it('makes roles whole before users have them', () => {
    const steps = diffAccess(nothing, wanted).map((step) => step.do)
    expect(steps.lastIndexOf('grant')).toBeLessThan(steps.indexOf('add-user'))
    expect(steps.slice(-6)).toEqual(['grant-role', 'add-user', 'grant-role', 'add-user', 'grant-role', 'grant-role'])
  })

  it('takes from whoever is gone, after the adds, and from nobody of another naming', () => {
    const there: Access = {
      users: new Map([...planAccess([host1], keys).users, ['mallory', ['root']]]),
      roles: new Map([...wanted.roles, ['backup', []]]),
    }
    expect(diffAccess(there, planAccess([controller], keys)).map(problemText)).toEqual([
      'etcd has no user controller-00000000000000c1',
      "etcd's user controller-00000000000000c1 has not the role root",
      'etcd has a user node-00000000000000a1, whose identity is revoked',
      'etcd has a role node-00000000000000a1, whose identity is revoked',
    ])
  })

  it('grants anew what is granted otherwise, without taking it away first or after', () => {
    const other = wanted.roles.get('node')?.map((one) => ({ ...one, permType: 'Readwrite' as const })) ?? []
    const there: Access = { ...wanted, roles: new Map([...wanted.roles, ['node', other]]) }
    expect(new Set(diffAccess(there, wanted).map((step) => step.do))).toEqual(new Set(['grant']))
  })
})

it.each([
  ['root', true],
  ['node', true],
  ['node-00000000000000a1', true],
  ['node-1', false],
  ['mallory', false],
])('%s is ours: %s', (name, expected) => {
  expect(isOurs(name)).toBe(expected)
})
