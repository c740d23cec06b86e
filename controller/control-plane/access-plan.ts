/**
 * Who may what in etcd: a pure plan of its users and roles, and how what is
 * there differs from it. A user is called as its certificate's common name is.
 */
import { commonName, type Role } from '../../lib/pki/identity.ts'
import type { Identity } from '../../proto/index.ts'
import type { Permission } from '../../store/etcd-admin.ts'
import type { Keys } from '../../store/keys.ts'
import { rangeEnd } from '../../store/range.ts'
import type { Key, Range } from '../../store/store.ts'

/** A user of etcd may be anything that its roles allow. By name, sorted. */
export interface Access {
  /** Users and their roles. */
  readonly users: ReadonlyMap<string, readonly string[]>
  /** Roles and what they allow. Etcd's own, `root`, is not among them. */
  readonly roles: ReadonlyMap<string, readonly Permission[]>
}

/** Etcd knows this user and this role by their name: they may do all. */
export const root = 'root'
/** What all nodes may. */
const nodeRole = 'node'

const ours = /^(?:root|node|(?:node|viewer|admin|controller)-[0-9a-f]{16})$/

/** Whether a user or role of that name is for us to change. */
export const isOurs = (name: string): boolean => ours.test(name)

type Holder = Pick<Identity, 'id' | 'role' | 'name'>

export const userOf = ({ id, role, name }: Holder): string => commonName({ id, role: role as Role, name })

/**
 * Controllers are root. A node reads everything but the secrets; it writes what
 * a claim or release of any endpoint writes, and of what says something of a
 * node only its own. Viewers and admins have no business with etcd.
 */
export function planAccess(identities: readonly Holder[], keys: Keys): Access {
  const controllers = identities.filter(({ role }) => role === 'controller')
  const nodes = identities.filter(({ role }) => role === 'node')
  return {
    users: new Map<string, readonly string[]>([
      [root, [root]],
      ...controllers.map((one) => [userOf(one), [root]] as const),
      ...nodes.map((one) => [userOf(one), [nodeRole, userOf(one)]] as const),
    ]),
    roles: new Map<string, readonly Permission[]>([
      [nodeRole, permissionsOfNodes(keys)],
      ...nodes.map((one) => [userOf(one), permissionsOfNode(keys, one.name)] as const),
    ]),
  }
}

function permissionsOfNodes(keys: Keys): Permission[] {
  const secrets = rangeEnd(keys.secrets.prefix)
  return [
    { permType: 'Read', key: Buffer.from(keys.prefix), range_end: Buffer.from(keys.secrets.prefix) },
    { permType: 'Read', key: secrets, range_end: rangeEnd(keys.prefix) },
    ...[
      keys.allEndpoints,
      keys.allAddresses,
      keys.allNames,
      keys.allMacs,
      keys.allReleasedAddresses,
      keys.allHistory,
    ].map(writing),
  ]
}

/** Each key by itself, not all that begin with it: host1 is not host10. */
function permissionsOfNode(keys: Keys, node: string): Permission[] {
  return [
    writing(keys.placements(node)),
    ...[keys.node(node), keys.hostRoutesOf(node), keys.session(node)].map(writingKey),
  ]
}

const writing = ({ prefix }: Range<unknown>): Permission => ({
  permType: 'Write',
  key: Buffer.from(prefix),
  range_end: rangeEnd(prefix),
})

const writingKey = ({ path }: Key<unknown>): Permission => ({
  permType: 'Write',
  key: Buffer.from(path),
  range_end: Buffer.alloc(0),
})

/** One change of etcd's users and roles. */
export type AccessStep =
  | { readonly do: 'add-role'; readonly role: string }
  | { readonly do: 'grant'; readonly role: string; readonly permission: Permission }
  | { readonly do: 'add-user'; readonly user: string }
  | { readonly do: 'grant-role'; readonly user: string; readonly role: string }
  | { readonly do: 'remove-user'; readonly user: string }
  | { readonly do: 'revoke-role'; readonly user: string; readonly role: string }
  | { readonly do: 'revoke'; readonly role: string; readonly permission: Permission }
  | { readonly do: 'remove-role'; readonly role: string }

/**
 * What makes `there` as `wanted`, adds before removals, so that nobody is without
 * what he had and keeps. Users and roles that are not of our naming stay.
 */
export function diffAccess(there: Access, wanted: Access): AccessStep[] {
  return [...missing(there, wanted), ...surplus(there, wanted)]
}

function* missing(there: Access, wanted: Access): Generator<AccessStep> {
  for (const [role, permissions] of wanted.roles) {
    const known = there.roles.get(role)
    if (!known) yield { do: 'add-role', role }
    for (const permission of permissions)
      if (!known?.some((one) => isSame(one, permission))) yield { do: 'grant', role, permission }
  }
  for (const [user, roles] of wanted.users) {
    const known = there.users.get(user)
    if (!known) yield { do: 'add-user', user }
    for (const role of roles) if (!known?.includes(role)) yield { do: 'grant-role', user, role }
  }
}

function* surplus(there: Access, wanted: Access): Generator<AccessStep> {
  for (const [user, roles] of there.users) {
    if (!isOurs(user)) continue
    const kept = wanted.users.get(user)
    if (!kept) yield { do: 'remove-user', user }
    else for (const role of roles) if (!kept.includes(role)) yield { do: 'revoke-role', user, role }
  }
  for (const [role, permissions] of there.roles) {
    if (!isOurs(role) || role === root) continue
    const kept = wanted.roles.get(role)
    if (!kept) yield { do: 'remove-role', role }
    // One of the same range was replaced by what was granted.
    else
      for (const permission of permissions)
        if (!kept.some((one) => isSameRange(one, permission))) yield { do: 'revoke', role, permission }
  }
}

const isSame = (one: Permission, other: Permission) => one.permType === other.permType && isSameRange(one, other)

function isSameRange(one: Permission, other: Permission): boolean {
  return one.key.equals(other.key) && one.range_end.equals(other.range_end)
}

/** The step as what is wrong without it, for people. */
export function problemText(step: AccessStep): string {
  switch (step.do) {
    case 'add-role':
      return `etcd has no role ${step.role}`
    case 'grant':
      return `etcd's role ${step.role} may not ${step.permission.permType.toLowerCase()} ${rangeText(step.permission)}`
    case 'add-user':
      return `etcd has no user ${step.user}`
    case 'grant-role':
      return `etcd's user ${step.user} has not the role ${step.role}`
    case 'remove-user':
      return `etcd has a user ${step.user}, whose identity is revoked`
    case 'revoke-role':
      return `etcd's user ${step.user} has the role ${step.role}, and should not`
    case 'revoke':
      return `etcd's role ${step.role} may ${step.permission.permType.toLowerCase()} ${rangeText(step.permission)}, and should not`
    case 'remove-role':
      return `etcd has a role ${step.role}, whose identity is revoked`
  }
}

function rangeText({ key, range_end }: Permission): string {
  const [from, to] = [key.toString(), range_end.toString()]
  if (to === '') return from
  return rangeEnd(from).equals(range_end) ? `${from}*` : `${from} to ${to === '\0' ? 'the end' : to}`
}
