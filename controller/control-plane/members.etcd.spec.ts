import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createLogger } from '../../lib/log.ts'
import { createAuthority } from '../../lib/pki/issue.ts'
import { retry } from '../../lib/retry.ts'
import type { CallContext } from '../../lib/rpc-server.ts'
import type { SnapshotPiece } from '../../proto/index.ts'
import { type EtcdCluster, startEtcdCluster } from '../../store/etcd-cluster-for-tests.ts'
import { startEtcd, type TestEtcd } from '../../store/etcd-for-tests.ts'
import { put } from '../../store/store.ts'
import { controlPlaneHandlers } from './handlers.ts'
import { listMembers, memberProblems } from './members.ts'

const log = createLogger('test', 'silent')
const context: CallContext = {
  signal: new AbortController().signal,
  peer: '',
  deadline: Number.POSITIVE_INFINITY,
  caller: undefined,
}
const patience = { signal: AbortSignal.timeout(60_000), backoff: { first: 50, most: 500 } }

let cluster: EtcdCluster
let service: ReturnType<typeof controlPlaneHandlers>
let joined: TestEtcd
beforeAll(async () => {
  cluster = await startEtcdCluster(1)
  service = controlPlaneHandlers({ store: cluster.store, externalEtcd: false, log })
})
afterAll(async () => {
  await joined?.close()
  await cluster[Symbol.asyncDispose]()
})

const names = (members: readonly { name: string; learner: boolean }[]) =>
  members.map(({ name, learner }) => `${name}${learner ? ' (learner)' : ''}`)

describe('a host that joins', () => {
  it('is added, promoted once it has caught up, and both as often as one likes', async () => {
    let peerUrl = ''
    joined = await startEtcd({
      name: 'm2',
      join: async (url) => {
        peerUrl = url
        const { member, members } = await service.addMember({ name: 'm2', peerUrl }, context)
        expect(member).toMatchObject({ name: 'm2', peerUrl, learner: true })
        expect(names(members)).toEqual([' (learner)', 'm1'])
        const again = await service.addMember({ name: 'm2', peerUrl }, context)
        expect(again.member?.id).toBe(member?.id)
        await expect(service.promoteMember({ name: 'm2' }, context)).rejects.toMatchObject({
          code: 'unavailable',
          retryAfter: 500,
        })
        return { m1: cluster.members[0]?.peerUrl ?? '' }
      },
    })
    const { members } = await retry(() => service.promoteMember({ name: 'm2' }, context), patience)
    expect(names(members)).toEqual(['m1', 'm2'])
    expect(names((await service.promoteMember({ name: 'm2' }, context)).members)).toEqual(['m1', 'm2'])
    expect(names((await service.addMember({ name: 'm2', peerUrl }, context)).members)).toEqual(['m1', 'm2'])
    await expect(service.addMember({ name: 'm3', peerUrl }, context)).rejects.toThrow(
      `member at ${peerUrl} already: m2`,
    )
    const other = { name: 'm2', peerUrl: 'http://127.0.0.1:1' }
    await expect(service.addMember(other, context)).rejects.toMatchObject({ code: 'already_exists' })
    expect(memberProblems(members)).toEqual([
      'the control plane has 2 hosts, and bears no more losses than one of 1: join another one',
    ])
  })

  it('waits for another one that is joining', async () => {
    const peerUrl = 'http://127.0.0.1:1'
    await retry(() => service.addMember({ name: 'm3', peerUrl }, context), patience)
    const second = { name: 'm4', peerUrl: 'http://127.0.0.1:2' }
    await expect(service.addMember(second, context)).rejects.toThrow(`${peerUrl} is still joining`)
    const learner = (await listMembers(cluster.store)).find((one) => one.learner)
    expect(learner?.problem).toBe('it has not started yet')
    expect(names((await service.removeMember({ name: learner?.id ?? '' }, context)).members)).toEqual(['m1', 'm2'])
  })

  it.each([
    ['https://127.0.0.1:1', 'cannot dial it'],
    ['http://0.0.0.0:2380', 'cannot dial it'],
    ['http://127.0.0.1', 'the port is missing'],
    ['http://127.0.0.1:1/x', 'more than host and port'],
    ['here', 'it is no URL'],
  ])('is refused at %s: %s', async (peerUrl, why) => {
    await expect(service.addMember({ name: 'm5', peerUrl }, context)).rejects.toThrow(why)
  })
})

it('is not asked to change an etcd of somebody else', async () => {
  const external = controlPlaneHandlers({ store: cluster.store, externalEtcd: true, log })
  await expect(external.removeMember({ name: 'm2' }, context)).rejects.toMatchObject({ code: 'failed_precondition' })
})

it('gives its data in pieces that can be restored from, and the authorities at the end', async () => {
  const { store } = cluster
  const { keys } = store
  const { certificate } = await createAuthority('test', 60_000)
  const authorities = [{ id: 'a', certificate, sealedKey: Buffer.from('sealed') }]
  await store.commit({ compares: [], writes: [put(keys.authorities, { authorities })] })
  const large = { name: 'x'.repeat(1_000_000) }
  for (const name of ['big-1', 'big-2', 'big-3'])
    await store.commit({ compares: [], writes: [put(keys.node(name), large)] })
  const data: Uint8Array[] = []
  let last: SnapshotPiece | undefined
  for await (const piece of service.snapshot({}, context)) {
    expect(piece.data.length).toBeLessThanOrEqual(1024 * 1024)
    data.push(piece.data)
    last = piece
  }
  expect(last?.authorities?.authorities[0]?.certificate).toBe(certificate)
  const directory = await mkdtemp(join(tmpdir(), 'overlay-snapshot-'))
  try {
    const file = join(directory, 'snapshot')
    await writeFile(file, Buffer.concat(data))
    // It checks the hash that etcd has put at the end.
    const env = { ETCDCTL_API: '3' }
    await execa('etcdctl', ['snapshot', 'restore', file, `--data-dir=${join(directory, 'data')}`], { env })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})

describe('a host that leaves', () => {
  it('is removed, unless it is the last', async () => {
    expect(names((await retry(() => service.removeMember({ name: 'm2' }, context), patience)).members)).toEqual(['m1'])
    await expect(service.removeMember({ name: 'm1' }, context)).rejects.toThrow('it is the only one')
    await expect(service.removeMember({ name: 'm2' }, context)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('stays while one of the two others does not answer', async () => {
    await using three = await startEtcdCluster(3)
    const own = controlPlaneHandlers({ store: three.store, externalEtcd: false, log })
    await three.members[2]?.kill()
    await vi.waitFor(
      () => expect(own.removeMember({ name: 'm2' }, context)).rejects.toThrow(/no majority: bring back m3/),
      20_000,
    )
    // Who is gone for good may be removed.
    const left = await retry(() => own.removeMember({ name: 'm3' }, context), patience)
    expect(names(left.members)).toEqual(['m1', 'm2'])
  })
})
