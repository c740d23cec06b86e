/** A managed cluster for tests, as `cluster init` makes one: files, and controllers that go by them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newAuthority } from '../../lib/pki/authorities.ts'
import { enrolledIdentity, issueIdentity, newIdentityId } from '../../lib/pki/enrolment.ts'
import { formatFirstAuthority } from '../../lib/pki/first-authority.ts'
import type { Identity as Caller, Role } from '../../lib/pki/identity.ts'
import { createKey, createRequest } from '../../lib/pki/issue.ts'
import { createSealingKey } from '../../lib/pki/sealing.ts'
import type { CallContext } from '../../lib/rpc-server.ts'
import { readTls } from '../../lib/tls.ts'
import type { ControlPlaneMember, Identity } from '../../proto/index.ts'
import type { Store } from '../../store/store.ts'
import { silent } from '../cluster-for-tests.ts'
import { viewRange } from '../range-view.ts'
import { type AuthorityOptions, type ClusterAuthority, startAuthority } from './authority.ts'
import type { StoreAccess } from './parts.ts'

/** An hour, in milliseconds. */
const life = 3_600_000

export interface TestHost {
  readonly directory: string
  readonly identity: Identity
  /** Of the sealing key. */
  readonly file: string
  readonly cert: string
  readonly ca: string
}

export interface TestController extends ClusterAuthority {
  /** Ends it. */
  readonly stop: () => Promise<void>
}

export interface ManagedCluster extends AsyncDisposable {
  readonly sealingKey: Buffer
  /** The one that `cluster init` was typed on. */
  readonly first: TestHost
  readonly admin: Identity
  /** A controller on that host; `options` over what it would have. */
  readonly start: (store: Store, host?: TestHost, options?: Partial<AuthorityOptions>) => Promise<TestController>
  /** Files of a host of the control plane, as it wrote them when it had joined. */
  readonly hostOf: (identity: Identity, files: { certificate: string; key: string; authorities: string }) => TestHost
}

export async function managedCluster(): Promise<ManagedCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'overlay-authority-'))
  const sealingKey = createSealingKey()
  const { authority, record } = await newAuthority(sealingKey, 'ACTIVE', Date.now())
  const running: TestController[] = []
  const enrol = async (role: Role, name: string, hosts: readonly string[] = []) => {
    const id = newIdentityId()
    const pair = await createKey()
    const certificate = await issueIdentity(authority, await createRequest(pair), { id, role, name }, { hosts, life })
    const enrolled = { id, role, name, certificate, authority: record.id, origin: 'init' }
    return { identity: enrolledIdentity(enrolled, Date.now()), certificate, key: pair.key }
  }
  const hostOf: ManagedCluster['hostOf'] = (identity, { certificate, key, authorities }) => {
    const own = join(directory, identity.name)
    mkdirSync(own)
    const files = { cert: join(own, 'tls.crt'), key: join(own, 'tls.key'), ca: join(own, 'ca.crt') }
    writeFileSync(files.cert, certificate)
    writeFileSync(files.key, key, { mode: 0o600 })
    writeFileSync(files.ca, authorities)
    const file = join(own, 'sealing.key')
    writeFileSync(file, sealingKey, { mode: 0o600 })
    return { directory: own, identity, file, cert: files.cert, ca: files.ca }
  }
  const [controller, admin] = [await enrol('controller', 'host1', ['127.0.0.1']), await enrol('admin', 'root')]
  const first = hostOf(controller.identity, { ...controller, authorities: record.certificate })
  const content = { authorities: { authorities: [record] }, identities: [controller.identity, admin.identity] }
  writeFileSync(join(first.directory, 'first-authority.json'), formatFirstAuthority(content))
  return {
    sealingKey,
    first,
    admin: admin.identity,
    hostOf,
    async start(store, host = first, options = {}) {
      const ending = new AbortController()
      const tls = readTls({ cert: host.cert, key: join(host.directory, 'tls.key'), ca: host.ca })
      if (!tls) throw new Error('no TLS files')
      const started = await startAuthority({
        store,
        sealing: { file: host.file, key: sealingKey },
        certificateLife: life / 1000,
        tls,
        etcdTls: undefined,
        candidate: { id: host.identity.name },
        accessAs: () => noAccess,
        members: async () => [] as ControlPlaneMember[],
        removeMember: async () => {},
        identities: viewRange(store, store.keys.identities, ending.signal, silent),
        signal: ending.signal,
        log: silent,
        ...options,
      })
      const stop = async () => {
        ending.abort()
        await started.ended
      }
      running.push({ ...started, stop })
      return { ...started, stop }
    },
    async [Symbol.asyncDispose]() {
      for (const each of running) await each.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Of an etcd that knows no users. */
export const noAccess: StoreAccess = {
  ensure: async () => {},
  remove: async () => {},
  check: async () => [],
  repair: async () => [],
  enable: async () => {},
}

/** A call of somebody's; of nobody's without an identity. */
export function callOf(identity?: Identity, peer = '192.0.2.9:4000'): CallContext {
  const caller = identity && ({ id: identity.id, role: identity.role as Role, name: identity.name } satisfies Caller)
  return { signal: new AbortController().signal, caller, peer, deadline: Number.POSITIVE_INFINITY }
}

export const textOf = (path: string) => readFileSync(path, 'utf8')
