/** For specs: what a managed cluster answers of tokens, certificates and its control plane. */
import type { Handlers } from '../../lib/rpc-server.ts'
import {
  type ControlPlaneMember,
  ControlPlaneMember as ControlPlaneMemberType,
  type ControlPlaneService,
  Identity,
  type SecurityService,
  SecurityStatus,
  Token,
  type TokensService,
} from '../../proto/index.ts'

export const token = Token.create({
  id: '5f0c2a9b',
  role: 'node',
  createdAt: '2026-03-02T09:00:00Z',
  expiresAt: '2026-03-02T11:00:00Z',
  usesLeft: 3,
  description: 'rack 7',
  createdBy: 'admin/host1',
})

/** No secret of anybody's. */
export const tokenText = `overlay1.5f0c2a9b.${'0'.repeat(32)}.${'a'.repeat(64)}`

export const nodeIdentity = Identity.create({
  id: '1111111111111111',
  role: 'node',
  name: 'host1',
  createdAt: '2026-03-01T10:00:00Z',
  issuedAt: '2026-03-01T10:00:00Z',
  notAfter: '2027-03-01T10:00:00Z',
  authority: 'aaaaaaaaaaaaaaaa',
  trusts: ['aaaaaaaaaaaaaaaa'],
})

export function member(name: string, more: Partial<ControlPlaneMember> = {}): ControlPlaneMember {
  return ControlPlaneMemberType.create({
    id: name,
    name,
    peerUrl: `https://${name}:2380`,
    clientUrl: `https://${name}:2379`,
    ...more,
  })
}

export const securityStatus = SecurityStatus.create({
  authorities: [
    {
      id: 'aaaaaaaaaaaaaaaa',
      state: 'ACTIVE',
      fingerprint: 'a'.repeat(64),
      notBefore: '2026-03-01T10:00:00Z',
      notAfter: '2036-03-01T10:00:00Z',
      certificates: 2,
    },
  ],
  identities: [
    nodeIdentity,
    { ...nodeIdentity, id: '2222222222222222', role: 'admin', name: 'anna', notAfter: '2026-03-12T10:00:00Z' },
  ],
  members: [member('host1', { leader: true })],
})

export const cannedTokens: Handlers<typeof TokensService> = {
  create: async () => ({ token: tokenText, record: token, controllers: ['192.0.2.1:4780'] }),
  list: async () => ({ tokens: [token] }),
  remove: async () => token,
}

export const cannedSecurity: Handlers<typeof SecurityService> = {
  get: async () => securityStatus,
  rotateAuthority: async () => securityStatus,
  revoke: async () => nodeIdentity,
}

export const cannedControlPlane: Handlers<typeof ControlPlaneService> = {
  addMember: async ({ name, peerUrl }) => {
    const added = member('', { id: 'new', learner: true, peerUrl })
    return { member: { ...added, name }, members: [member('host1', { leader: true }), added] }
  },
  promoteMember: async () => ({ members: [] }),
  removeMember: async () => ({ members: [] }),
  snapshot: async function* () {
    yield { data: Buffer.from('one'), authorities: null }
    yield { data: Buffer.from('two'), authorities: { authorities: [] } }
  },
}
