import { describe, expect, it } from 'vitest'
import { membersOf } from './store-status.ts'

const header = (member_id: string) => ({ cluster_id: '1', revision: '5', raft_term: '2', member_id })
const answer = (id: string, leader = '1', errors: readonly string[] = []) => ({ header: header(id), leader, errors })
const listed = (ID: string, name: string, ...clientURLs: readonly string[]) => ({
  ID,
  name,
  peerURLs: [],
  clientURLs,
  isLearner: false,
})

describe('membersOf', () => {
  it('names those that answer, those that do not, and those that are not asked', () => {
    const answers = [
      { url: 'http://a:2379', answer: answer('1') },
      { url: 'http://b:2379', problem: 'connect ECONNREFUSED' },
    ]
    const known = {
      members: [
        listed('1', 'one', 'http://a:2379'),
        listed('2', 'two', 'http://b:2379'),
        listed('3', 'three', 'http://c:2379'),
      ],
    }
    expect(membersOf(answers, known)).toEqual([
      { name: 'one', url: 'http://a:2379', leader: true, problem: '' },
      { name: 'two', url: 'http://b:2379', leader: false, problem: 'connect ECONNREFUSED' },
      { name: 'three', url: 'http://c:2379', leader: false, problem: '' },
    ])
  })

  it('knows a member under another URL than the one it advertises, and under two', () => {
    const answers = ['http://10.0.0.1:2379', 'http://etcd:2379'].map((url) => ({ url, answer: answer('1') }))
    expect(membersOf(answers, { members: [listed('1', 'one', 'http://localhost:2379')] })).toEqual([
      { name: 'one', url: 'http://localhost:2379', leader: true, problem: '' },
    ])
  })

  it('tells alarms and the want of a leader, also without a list', () => {
    const errors = ['etcdserver: no leader', 'memberID:123 alarm:NOSPACE ', 'memberID:7 alarm:CORRUPT ']
    const [found] = membersOf([{ url: 'http://a:2379', answer: answer('1', '0', errors) }], undefined)
    expect(found).toMatchObject({ name: '', url: 'http://a:2379', leader: false })
    expect(found?.problem).toMatch(/^it has no leader; etcd is full .*; alarm CORRUPT: see "etcdctl alarm list"$/)
  })
})
