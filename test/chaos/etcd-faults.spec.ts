import { describe, expect, it } from 'vitest'
import { compact, moveLeader } from './etcd-faults.ts'

/** A member that answers each command, by its name, so. */
function member(name: string, answers: Readonly<Record<string, string | Error>>) {
  const asked: string[] = []
  const etcdctl = async (...args: readonly string[]) => {
    asked.push(args.join(' '))
    const answer = answers[args[0] ?? ''] ?? ''
    if (answer instanceof Error) throw answer
    return answer
  }
  return { name, asked, etcdctl }
}

const away = new Error('Error: context deadline exceeded')
const wrong = new Error('Error: unknown flag: --physicle')
const status = (id: string, isLeader: boolean) => `http://x:2379, ${id}, 3.4.23, 20 kB, ${isLeader}, false, 2, 9, 9, `

describe('moveLeader', () => {
  it('asks the leader to make another the leader', async () => {
    const leader = member('etcd2', { endpoint: status('b', true), 'move-leader': 'moved\n' })
    const members = [member('etcd1', { endpoint: away }), leader, member('etcd3', { endpoint: status('c', false) })]
    expect(await moveLeader(members)).toEqual({ detail: 'moved' })
    expect(leader.asked).toContain('move-leader c --command-timeout=2s')
  })

  it('does nothing where there is no leader, and throws what else goes wrong', async () => {
    expect(await moveLeader([member('etcd1', { endpoint: away })])).toBeUndefined()
    await expect(moveLeader([member('etcd1', { endpoint: wrong })])).rejects.toThrow(
      'etcd1: Error: Error: unknown flag',
    )
  })
})

describe('compact', () => {
  it('compacts by the first member that answers, and defragments all', async () => {
    const [first, second] = [
      member('etcd1', { compact: away, defrag: away }),
      member('etcd2', { compact: 'compacted revision 7' }),
    ]
    expect(await compact([first, second], 7)).toEqual({ detail: 'compacted revision 7' })
    expect(first.asked.at(-1)).toContain('defrag')
    expect(second.asked).toEqual(['compact 7 --command-timeout=2s', 'defrag --command-timeout=2s'])
  })

  it('does nothing where none answers, and throws what else goes wrong', async () => {
    expect(await compact([member('etcd1', { compact: away })], 7)).toBeUndefined()
    await expect(compact([member('etcd1', { compact: wrong })], 7)).rejects.toThrow('unknown flag')
  })
})
