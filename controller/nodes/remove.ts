/** Forgets a node. */
import { hasCode, OverlayError } from '../../lib/errors.ts'
import type { Identity as Caller } from '../../lib/pki/identity.ts'
import { type Identity, Node, type RemoveNodeRequest, type RemoveNodeResponse } from '../../proto/index.ts'
import { absent, remove, type Store, unchanged, type Write } from '../../store/store.ts'
import { evict, forget } from './evict.ts'
import { describeNode } from './list.ts'
import { findNode } from './reference.ts'

/** The node's agent may write its record between, but hardly so often. */
const attempts = 10

export interface RemoveOptions {
  /** Who asks, where that is known. */
  readonly caller?: Caller | undefined
  /** Told of identities that are revoked: what else goes by them ends. */
  readonly withdraw?: (identities: readonly Identity[]) => Promise<void>
}

/**
 * Deletes the node's record first, which makes every transaction of its agent
 * fail, and with it the node's identity, whose certificates are worthless then;
 * then its endpoints. What a crash leaves of them, the janitor removes. (Where
 * `--node-grace` evicts a node, its identity stays: it may come back.)
 * @throws OverlayError `not_found`; `failed_precondition` while its session
 * lives, unless forced.
 */
export async function removeNode(
  store: Store,
  request: RemoveNodeRequest,
  options: RemoveOptions = {},
): Promise<RemoveNodeResponse> {
  const { keys } = store
  const { force } = request
  const found = await findNode(store, request.name, options.caller).catch((error: unknown) => {
    if (hasCode(error, 'not_found')) return error
    throw error
  })
  if (found instanceof OverlayError) return removeEnrolled(store, request.name, options, found)
  const { name, uid } = found.value
  for (let attempt = 0; attempt < attempts; attempt++) {
    const record = await store.get(keys.node(name))
    if (record?.value.uid !== uid)
      throw new OverlayError('not_found', `node ${name} was removed by somebody else meanwhile`)
    const node = await describeNode(store, record.value)
    if (node.status?.live && !force)
      throw new OverlayError(
        'failed_precondition',
        `node ${name} is alive (its session began ${node.status.sessionSince}): stop its agent first, or remove it with --force`,
      )
    const identities = await identitiesOf(store, name)
    const compares = force ? [unchanged(record)] : [unchanged(record), absent(keys.session(name))]
    const outcome = await store.commit({ compares, writes: [...forget(keys, name), ...revoking(store, identities)] })
    if (!outcome.committed) continue
    await options.withdraw?.(identities)
    // From here on nobody can add any; the janitor may already be at them.
    const releasedEndpoints = await store.count(keys.placements(name))
    await evict(store, name)
    return { node, releasedEndpoints }
  }
  throw new OverlayError('conflict', `node ${name} is being changed by its agent all the time: try again`)
}

/** One that is enrolled, and has no record: its agent has never registered, or it was evicted. */
async function removeEnrolled(
  store: Store,
  name: string,
  { withdraw }: RemoveOptions,
  notFound: OverlayError,
): Promise<RemoveNodeResponse> {
  const identities = await identitiesOf(store, name)
  if (identities.length === 0) throw notFound
  const compares = [absent(store.keys.node(name))]
  if (!(await store.commit({ compares, writes: revoking(store, identities) })).committed)
    throw new OverlayError('conflict', `node ${name} has registered just now: try again`)
  await withdraw?.(identities)
  return { node: Node.create({ name }), releasedEndpoints: 0 }
}

async function identitiesOf(store: Store, node: string): Promise<readonly Identity[]> {
  const { entries } = await store.list(store.keys.identities)
  return entries.flatMap(({ value }) => (value.role === 'node' && value.name === node ? [value] : []))
}

function revoking({ keys }: Store, identities: readonly Identity[]): readonly Write[] {
  return identities.map(({ id }) => remove(keys.identity(id)))
}
