/** Keeps etcd's users and roles as the cluster's identities want them. */
import { OverlayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { mapParallel } from '../../lib/parallel.ts'
import type { Identity } from '../../proto/index.ts'
import type { EtcdAdmin } from '../../store/etcd-admin.ts'
import type { Store } from '../../store/store.ts'
import {
  type Access,
  type AccessStep,
  diffAccess,
  isOurs,
  planAccess,
  problemText,
  root,
  userOf,
} from './access-plan.ts'

/**
 * Of an etcd that is the cluster's own. An identity's record is written before
 * its access is given, and removed before that is taken: by it everybody,
 * whoever is in between, knows what is meant to be.
 * @throws OverlayError `unavailable`, `permission_denied` (all methods): what was done by then is done; all may be repeated.
 */
export interface EtcdAccess {
  /** So that it may what its role may. It is taken back at once if its record is gone by then. */
  ensure(identity: Pick<Identity, 'id' | 'role' | 'name'>): Promise<void>
  /** From now on etcd denies it everything; watches that it has open end with their connection. */
  remove(identity: Pick<Identity, 'id' | 'role' | 'name'>): Promise<void>
  /** What is not as it should be, for people; empty: nothing. */
  check(): Promise<readonly string[]>
  /**
   * Makes everything as it should be.
   * @returns what was wrong.
   * @throws OverlayError `failed_precondition` when the own identity is not in the store.
   */
  repair(): Promise<readonly string[]>
  /** From now on etcd asks who its clients are, and knows all of ours. Errors as `repair`. */
  enable(): Promise<void>
}

export interface EtcdAccessOptions {
  readonly store: Store
  /** The id of this controller's identity, by which it is etcd's root. */
  readonly self: string
  readonly log: Logger
}

/** Questions to etcd at once. */
const atOnce = 32
/** Problems of one kind that are told one by one. */
const mostTold = 10

export function etcdAccess({ store, self, log }: EtcdAccessOptions): EtcdAccess {
  const { admin, keys } = store

  /** Observed first: the record of whoever has a user by then is there when the records are read. */
  const look = async () => {
    const there = await observeAccess(admin)
    const { entries } = await store.list(keys.identities)
    const identities = entries.map(({ value }) => value)
    return { there, identities, steps: diffAccess(there, planAccess(identities, keys)) }
  }
  const remove = async (identity: Pick<Identity, 'id' | 'role' | 'name'>) => {
    const user = userOf(identity)
    await admin.removeUser(user)
    await admin.removeRole(user)
  }
  const repair = async () => {
    const { identities, steps } = await look()
    if (!identities.some(({ id, role }) => id === self && role === 'controller'))
      throw new OverlayError(
        'failed_precondition',
        `the identity ${self} of this controller is not in the store, so etcd's users are left as they are`,
      )
    for (const step of steps) await applyStep(admin, step)
    const problems = steps.map(problemText)
    if (problems.length > 0) log.warn({ problems: problems.slice(0, mostTold) }, "etcd's users and roles put right")
    return problems
  }
  const check = async () => {
    const [isEnabled, { there, steps }] = await Promise.all([admin.isAuthEnabled(), look()])
    const foreign = [...there.users.keys()].filter((user) => !isOurs(user))
    return [
      ...(isEnabled ? [] : ['etcd does not ask who its clients are: its authentication is off']),
      ...shortened(steps.map(problemText)),
      ...shortened(foreign.map((user) => `etcd has a user ${user}, which is none of this cluster's`)),
    ]
  }
  // Two questions to etcd for each node, and whoever reads the status asks: those who do at once are told the same.
  let checking: Promise<readonly string[]> | undefined
  return {
    async ensure(identity) {
      const { users, roles } = planAccess([identity], keys)
      const there = await observeAccess(admin, { users: [...users.keys()], roles: [...roles.keys()] })
      // Nobody's are removed: whose they are is not read here.
      for (const step of diffAccess(there, { users, roles })) await applyStep(admin, step)
      const isGone = (await store.get(keys.identity(identity.id))) === undefined
      if (!isGone) return
      await remove(identity)
      throw new OverlayError('failed_precondition', `the identity ${identity.id} was revoked meanwhile`)
    },
    remove,
    check() {
      checking ??= check().finally(() => {
        checking = undefined
      })
      return checking
    },
    repair,
    async enable() {
      await repair()
      await admin.enableAuth()
    },
  }
}

function shortened(problems: readonly string[]): readonly string[] {
  if (problems.length <= mostTold) return problems
  return [...problems.slice(0, mostTold), `and ${problems.length - mostTold} more of the kind`]
}

/** All users and roles that etcd has, or those of these that it has. */
async function observeAccess(
  admin: EtcdAdmin,
  names?: { readonly users: readonly string[]; readonly roles: readonly string[] },
): Promise<Access> {
  const [users, roles] = names ? [names.users, names.roles] : await Promise.all([admin.users(), admin.roles()])
  const rolesOf = await mapParallel(users, atOnce, async (user) => [user, await admin.rolesOf(user)] as const)
  const own = roles.filter((role) => isOurs(role) && role !== root)
  const allowed = await mapParallel(own, atOnce, async (role) => [role, await admin.permissionsOf(role)] as const)
  return { users: present(rolesOf), roles: present(allowed) }
}

/** Without what is gone since it was listed. */
function present<T>(found: readonly (readonly [string, T | undefined])[]): ReadonlyMap<string, T> {
  return new Map(found.flatMap(([name, what]) => (what === undefined ? [] : [[name, what] as const])))
}

async function applyStep(admin: EtcdAdmin, step: AccessStep): Promise<void> {
  switch (step.do) {
    case 'add-role':
      return admin.addRole(step.role)
    case 'grant':
      return admin.grant(step.role, step.permission)
    case 'add-user':
      return admin.addUser(step.user)
    case 'grant-role':
      return admin.grantRole(step.user, step.role)
    case 'remove-user':
      return admin.removeUser(step.user)
    case 'revoke-role':
      return admin.revokeRole(step.user, step.role)
    case 'revoke':
      return admin.revoke(step.role, step.permission)
    case 'remove-role':
      return admin.removeRole(step.role)
  }
}
