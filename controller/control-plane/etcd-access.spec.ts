import { expect, it } from 'vitest'
import type { EtcdAdmin } from '../../store/etcd-admin.ts'
import { createKeys, defaultPrefix } from '../../store/keys.ts'
import type { Store } from '../../store/store.ts'
import { silent } from '../cluster-for-tests.ts'
import { etcdAccess } from './etcd-access.ts'

it('looks at etcd once for all who ask at once, and anew for who asks later', async () => {
  let looks = 0
  const admin: Partial<EtcdAdmin> = {
    isAuthEnabled: async () => true,
    users: async () => {
      looks++
      return []
    },
    roles: async () => [],
  }
  const store = { admin, keys: createKeys(defaultPrefix), list: async () => ({ entries: [], revision: 1 }) }
  const access = etcdAccess({ store: store as unknown as Store, self: 'ab'.repeat(8), log: silent })
  const [first, ...others] = await Promise.all(Array.from({ length: 10 }, () => access.check()))
  expect(looks).toBe(1)
  expect(first).toContain('etcd has no user root')
  expect(new Set(others)).toEqual(new Set([first]))
  await access.check()
  expect(looks).toBe(2)
})
