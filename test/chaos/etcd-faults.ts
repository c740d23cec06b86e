/** What an administrator does to etcd while it is in use. */
import type { Etcd } from '../lab/etcd.ts'

/** What was done; undefined where too little of etcd is there to do it. */
type Done = { readonly detail: string } | undefined
type Member = Pick<Etcd, 'name' | 'etcdctl'>

/** Makes another member the leader. @throws Error when etcdctl fails, and not for want of members. */
export async function moveLeader(members: readonly Member[]): Promise<Done> {
  const states = await Promise.all(
    members.map(async (member) => {
      const line = (await ask(member, 'endpoint', 'status', '--command-timeout=1s')) ?? ''
      const [, id = '', , , isLeader] = line.split(', ')
      return { member, id, isLeader: isLeader === 'true' }
    }),
  )
  const leader = states.find(({ isLeader }) => isLeader)
  const heir = states.find(({ isLeader, id }) => !isLeader && id !== '')
  if (!leader || !heir) return undefined
  const moved = await ask(leader.member, 'move-leader', heir.id, '--command-timeout=2s')
  return moved === undefined ? undefined : { detail: moved.trim() }
}

/**
 * Compacts up to a revision, and defragments each member: who was away for longer
 * has to read anew. @throws as `moveLeader` does.
 */
export async function compact(members: readonly Member[], revision: number): Promise<Done> {
  for (const member of members) {
    const compacted = await ask(member, 'compact', String(revision), '--command-timeout=2s')
    if (compacted === undefined) continue
    for (const each of members) await ask(each, 'defrag', '--command-timeout=2s')
    return { detail: compacted.trim() }
  }
  return undefined
}

/** How etcdctl says that a member does not answer, or that too few of them are there, or that there is nothing new. */
const isAway =
  /deadline exceeded|Unavailable|connection refused|no leader|not leader|leader changed|timed out|not ready|unhealthy|revision has been compacted/

async function ask(member: Member, ...args: readonly string[]): Promise<string | undefined> {
  try {
    return await member.etcdctl(...args)
  } catch (error) {
    if (isAway.test(String(error))) return undefined
    throw new Error(`${member.name}: ${String(error)}`, { cause: error })
  }
}
