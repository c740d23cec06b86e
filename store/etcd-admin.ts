/** Etcd itself: its users and roles, its members, its data as a whole. What a controller does as etcd's root. */
import { hasCode, OverlayError } from '../lib/errors.ts'
import {
  authEnable,
  authenticate,
  type ListedMember,
  memberAdd,
  memberPromote,
  memberRemove,
  type Permission,
  roleAdd,
  roleDelete,
  roleGet,
  roleGrant,
  roleList,
  roleRevoke,
  userAdd,
  userDelete,
  userGet,
  userGrantRole,
  userList,
  userRevokeRole,
} from './etcd-api.ts'
import { detailsOf } from './failures.ts'
import type { Members } from './members.ts'
import { readSnapshot } from './read-snapshot.ts'
import { type MemberState, memberStates } from './store-status.ts'

export type { Permission } from './etcd-api.ts'
export type { MemberState } from './store-status.ts'

/**
 * All changes may be repeated: what is as it should be already is as good.
 * @throws OverlayError as Store.get and Store.commit; `permission_denied` where
 * etcd has users and this one is not its root.
 */
export interface EtcdAdmin {
  /** Whether etcd asks who somebody is. It cannot be turned off from here. */
  isAuthEnabled(): Promise<boolean>
  /** @throws OverlayError `failed_precondition` while there is no user `root` that has the role `root`. */
  enableAuth(): Promise<void>
  users(): Promise<readonly string[]>
  /** Its roles; undefined: there is no such user. */
  rolesOf(user: string): Promise<readonly string[] | undefined>
  /** Without a password: it is known by the common name of its certificate. */
  addUser(user: string): Promise<void>
  removeUser(user: string): Promise<void>
  grantRole(user: string, role: string): Promise<void>
  revokeRole(user: string, role: string): Promise<void>
  roles(): Promise<readonly string[]>
  /** Undefined: there is no such role. */
  permissionsOf(role: string): Promise<readonly Permission[] | undefined>
  addRole(role: string): Promise<void>
  removeRole(role: string): Promise<void>
  /** What the role may of just that range already, is replaced. */
  grant(role: string, permission: Permission): Promise<void>
  revoke(role: string, range: Pick<Permission, 'key' | 'range_end'>): Promise<void>

  /**
   * All members, each asked itself. One that has not answered after `within`
   * milliseconds, by default a call's, has not answered.
   */
  memberStates(within?: number): Promise<readonly MemberState[]>
  /**
   * As a learner, that has no vote. Not to be repeated: a URL that is there is `already_exists`.
   * @throws OverlayError `failed_precondition` where there is a learner already;
   * `unavailable` while members are not long connected.
   */
  addLearner(peerUrl: string): Promise<ListedMember>
  /** @throws OverlayError `unavailable` until it has caught up. */
  promote(id: string): Promise<void>
  removeMember(id: string): Promise<void>

  /** Etcd's data of one moment, as `etcdctl snapshot restore` takes it, from one member. */
  snapshot(signal: AbortSignal): AsyncGenerator<Buffer>
}

/** Milliseconds until a repetition is worth it. */
const catchUpTime = 500
const reconnectTime = 1_000

/** What etcd 3.4 and later call it (rpctypes/error.go). */
const words = {
  noUser: 'etcdserver: user name not found',
  userExists: 'etcdserver: user name already exists',
  noRole: 'etcdserver: role name not found',
  roleExists: 'etcdserver: role name already exists',
  notGranted: 'etcdserver: role is not granted to the user',
  noPermission: 'etcdserver: permission is not granted to the role',
  authOff: 'etcdserver: authentication is not enabled',
  authFailed: 'etcdserver: authentication failed, invalid user ID or password',
  noRoot: 'etcdserver: root user does not exist',
  noRootRole: 'etcdserver: root user does not have root role',
  manyLearners: 'etcdserver: too many learner members in cluster',
  notInSync: 'etcdserver: can only promote a learner member which is in sync with leader',
  notALearner: 'etcdserver: can only promote a learner member',
  peerExists: 'etcdserver: Peer URLs already exists',
  memberExists: 'etcdserver: member ID already exist',
  noMember: 'etcdserver: member not found',
  unhealthy: 'etcdserver: unhealthy cluster',
} as const

type Word = keyof typeof words

export function createEtcdAdmin(members: Members, longestCall: number): EtcdAdmin {
  return {
    async isAuthEnabled() {
      // Etcd 3.4 has no other question that tells, and no user is called so.
      const said = await saying(members.read(authenticate, { name: '-', password: '-' }), ['authOff', 'authFailed'])
      return said !== 'authOff'
    },
    async enableAuth() {
      const said = await saying(members.once(authEnable, {}), ['noRoot', 'noRootRole'])
      if (said)
        throw new OverlayError('failed_precondition', 'etcd has no user root with the role root: it would be locked up')
    },
    users: async () => (await answered(members.read(userList, {}))).users,
    rolesOf: async (name) => orNone(members.read(userGet, { name }), 'noUser', ({ roles }) => roles),
    addUser: (name) => done(members.once(userAdd, { name, options: { no_password: true } }), 'userExists'),
    removeUser: (name) => done(members.once(userDelete, { name }), 'noUser'),
    grantRole: (user, role) => done(members.once(userGrantRole, { user, role })),
    revokeRole: (name, role) => done(members.once(userRevokeRole, { name, role }), 'notGranted', 'noUser'),
    roles: async () => (await answered(members.read(roleList, {}))).roles,
    permissionsOf: async (role) => orNone(members.read(roleGet, { role }), 'noRole', ({ perm }) => perm),
    addRole: (name) => done(members.once(roleAdd, { name }), 'roleExists'),
    removeRole: (role) => done(members.once(roleDelete, { role }), 'noRole'),
    grant: (name, perm) => done(members.once(roleGrant, { name, perm })),
    revoke: (role, { key, range_end }) =>
      done(members.once(roleRevoke, { role, key, range_end }), 'noPermission', 'noRole'),

    memberStates: (within = longestCall) => memberStates(members, within),
    async addLearner(peerUrl) {
      const adding = members.once(memberAdd, { peerURLs: [peerUrl], isLearner: true })
      const said = await saying(adding, ['manyLearners', 'peerExists', 'memberExists', 'unhealthy'])
      if (said) throw notAdded(said, peerUrl)
      return (await adding).member
    },
    async promote(id) {
      const said = await saying(members.once(memberPromote, { ID: id }), ['notInSync', 'notALearner', 'unhealthy'])
      if (said === 'unhealthy') throw tooEarly()
      if (said === 'notInSync')
        throw new OverlayError('unavailable', 'the new member of etcd has not caught up yet: try again', {
          retryAfter: catchUpTime,
        })
    },
    async removeMember(id) {
      const said = await saying(members.once(memberRemove, { ID: id }), ['noMember', 'unhealthy'])
      if (said === 'unhealthy') throw tooEarly()
    },
    snapshot: (signal) => readSnapshot(members, signal),
  }
}

function notAdded(said: Word, peerUrl: string): OverlayError {
  if (said === 'unhealthy') return tooEarly()
  if (said === 'manyLearners')
    return new OverlayError(
      'failed_precondition',
      'etcd has a member already that is still joining: wait until it has its vote, or remove it',
    )
  return new OverlayError('already_exists', `etcd has a member at ${peerUrl} already`)
}

function tooEarly(): OverlayError {
  return new OverlayError(
    'unavailable',
    'etcd changes its members only when all of them have been connected for some seconds: try again',
    { retryAfter: reconnectTime },
  )
}

/** Which of these etcd said, if it refused. @throws any other error */
async function saying(call: Promise<unknown>, expected: readonly Word[]): Promise<Word | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    const details = detailsOf(error)
    const said = expected.find((word) => words[word] === details)
    if (said) return said
    throw explained(error, details)
  }
}

async function answered<A>(call: Promise<A>): Promise<A> {
  await saying(call, [])
  return call
}

async function done(call: Promise<unknown>, ...asGood: readonly Word[]): Promise<void> {
  await saying(call, asGood)
}

async function orNone<A, T>(call: Promise<A>, none: Word, read: (answer: A) => T): Promise<T | undefined> {
  return (await saying(call, [none])) === none ? undefined : read(await call)
}

/** What was refused for another reason is no lease's fault. */
function explained(error: unknown, details: string | undefined): unknown {
  if (details === undefined || hasCode(error, 'unavailable') || hasCode(error, 'permission_denied')) return error
  // Nobody asked for another one: it is the caller's own.
  if (details === words.noUser)
    return new OverlayError('permission_denied', 'etcd does not know this user', { cause: error })
  return new OverlayError('failed_precondition', `etcd refuses: ${details.replace(/^etcdserver: /, '')}`, {
    cause: error,
  })
}
