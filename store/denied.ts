/** Of what etcd denies: whether this client may do anything at all. */
import { hasCode } from '../lib/errors.ts'
import { type RangeRequest, range } from './etcd-api.ts'
import type { Members } from './members.ts'
import { RevokedError } from './store.ts'

/**
 * Waits for an answer of etcd; one that denies it is looked into: to whom also
 * that is denied which every user may read (`knock`), etcd has no such user.
 * @throws RevokedError; what `answer` was rejected with.
 */
export async function unlessRevoked<T>(answer: Promise<T>, members: Members, knock: RangeRequest): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!hasCode(error, 'permission_denied')) throw error
    const isRevoked = await members.read(range, knock).then(
      () => false,
      (again: unknown) => hasCode(again, 'permission_denied'),
    )
    throw isRevoked ? new RevokedError(error) : error
  }
}
