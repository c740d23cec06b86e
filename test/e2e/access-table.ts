/**
 * Who may call what of a controller, written by hand: not taken from the
 * controller's own rules. A request that gets to its handler changes nothing
 * that the other rows need, and is mostly about what is not there.
 */

/** What becomes of a call: `in` its handler answers, whatever that is; or it is refused before. */
export type Expected = 'in' | 'permission_denied'

export interface Row {
  /** For example `Networks/Create`; of services that are not ours the whole path. */
  readonly method: string
  /** As the node h1 would make it, if it is about a node. */
  readonly request: object
  /** Streams that say nothing of themselves when they are open. */
  readonly silent?: true
  readonly viewer: Expected
  /** Node h1. */
  readonly node: Expected
  /** Node h2, with the same request. */
  readonly otherNode: Expected
  /** Undefined: it would really be done, and the cluster be another. */
  readonly admin: Expected | undefined
}

const no = 'permission_denied'
const node = { name: 'h1' }
const everybody = { viewer: 'in', node: 'in', otherNode: 'in', admin: 'in' } as const
const admins = { viewer: no, node: no, otherNode: no, admin: 'in' } as const
const nodeItself = { viewer: no, node: 'in', otherNode: no, admin: 'in' } as const
const controllers = { viewer: no, node: no, otherNode: no, admin: no } as const

export const table: readonly Row[] = [
  { method: 'Networks/Create', request: { name: '-' }, ...admins },
  { method: 'Networks/List', request: {}, ...everybody },
  { method: 'Networks/Get', request: { name: 'none' }, ...everybody },
  { method: 'Networks/Update', request: { name: 'none' }, ...admins },
  { method: 'Networks/Remove', request: { name: 'none' }, ...admins },
  { method: 'Networks/WaitApplied', request: { network: 'none', revision: 1 }, ...everybody },

  { method: 'Endpoints/List', request: {}, ...everybody },
  { method: 'Endpoints/Get', request: { id: 'none' }, ...everybody },
  { method: 'Endpoints/Attach', request: { network: 'none', node: 'h1', pid: 1 }, ...nodeItself },
  { method: 'Endpoints/Detach', request: { endpointId: 'none', node: 'h1' }, ...nodeItself },

  { method: 'Ipam/Show', request: { network: 'none' }, ...everybody },
  { method: 'Ipam/Check', request: {}, ...everybody },
  { method: 'Ipam/Repair', request: {}, ...admins },
  { method: 'Ipam/Release', request: { network: 'none', address: '10.0.0.1' }, ...admins },
  { method: 'Ipam/History', request: { address: '10.0.0.1' }, ...everybody },

  { method: 'Nodes/List', request: {}, ...everybody },
  { method: 'Nodes/Get', request: node, ...everybody },
  { method: 'Nodes/Drain', request: node, ...nodeItself },
  { method: 'Nodes/Undrain', request: node, ...nodeItself },
  { method: 'Nodes/Verify', request: node, ...everybody },
  { method: 'Nodes/Resync', request: node, ...nodeItself },

  { method: 'Events/Watch', request: {}, silent: true, ...everybody },
  { method: 'Clusters/GetStatus', request: {}, ...everybody },
  {
    method: 'AgentLink/Connect',
    request: { hello: { node: 'h1', uid: 'u', version: '1' } },
    silent: true,
    ...nodeItself,
    admin: no,
  },

  { method: 'Enrolment/Join', request: { token: 'none', name: 'h9' }, ...everybody },
  { method: 'Enrolment/Renew', request: { request: 'none' }, ...everybody },
  { method: 'Enrolment/Confirm', request: {}, ...everybody },

  { method: 'Tokens/Create', request: { role: 'none' }, ...admins },
  { method: 'Tokens/List', request: {}, ...admins },
  { method: 'Tokens/Remove', request: { token: 'none' }, ...admins },

  { method: 'Security/Get', request: {}, ...everybody },
  { method: 'Security/RotateAuthority', request: {}, ...admins, admin: undefined },
  { method: 'Security/Revoke', request: { identity: 'none' }, ...admins },

  { method: 'ControlPlane/AddMember', request: { name: 'none', peerUrl: '-' }, ...controllers },
  { method: 'ControlPlane/PromoteMember', request: { name: 'none' }, ...controllers },
  { method: 'ControlPlane/RemoveMember', request: { name: 'none' }, ...admins },
  { method: 'ControlPlane/Snapshot', request: {}, ...admins, admin: undefined },

  { method: '/grpc.health.v1.Health/Check', request: {}, ...everybody },
  { method: '/grpc.health.v1.Health/List', request: {}, ...everybody },
  { method: '/grpc.health.v1.Health/Watch', request: {}, ...everybody },
  { method: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', request: {}, ...everybody },
  { method: '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', request: {}, ...everybody },

  // The last one: whose node is removed is revoked by that.
  { method: 'Nodes/Remove', request: node, ...nodeItself },
]

export function pathOf({ method }: Row): string {
  return method.startsWith('/') ? method : `/overlay.v1.${method}`
}
