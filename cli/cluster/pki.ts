/** What makes keys and certificates: loaded when it is needed, because that takes some 40 ms. */

export async function loadPki() {
  const [authorities, enrolment, first, issue, sealing] = await Promise.all([
    import('../../lib/pki/authorities.ts'),
    import('../../lib/pki/enrolment.ts'),
    import('../../lib/pki/first-authority.ts'),
    import('../../lib/pki/issue.ts'),
    import('../../lib/pki/sealing.ts'),
  ])
  return { ...authorities, ...enrolment, ...first, ...issue, ...sealing }
}

export type Pki = Awaited<ReturnType<typeof loadPki>>

/** A new key, made here and staying here, and the request for its certificate: PEM. */
export interface Wanted {
  readonly key: string
  readonly request: string
}

export async function newKey({ createKey, createRequest }: Pki): Promise<Wanted> {
  const pair = await createKey()
  return { key: pair.key, request: await createRequest(pair) }
}

/** Keys of a host of the control plane. */
export interface ControlPlaneKeys {
  readonly controller: Wanted
  readonly etcdServer: Wanted
  readonly etcdPeer: Wanted
}

export async function newControlPlaneKeys(pki: Pki): Promise<ControlPlaneKeys> {
  const [controller, etcdServer, etcdPeer] = await Promise.all([newKey(pki), newKey(pki), newKey(pki)])
  return { controller, etcdServer, etcdPeer }
}

/** As JoinRequest has them. `host` is where the others dial this one. */
export function requestsOf({ controller, etcdServer, etcdPeer }: ControlPlaneKeys, host: string) {
  return {
    host,
    controllerRequest: controller.request,
    etcdServerRequest: etcdServer.request,
    etcdPeerRequest: etcdPeer.request,
  }
}
