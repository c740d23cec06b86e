/**
 * A cluster that issues its own certificates, on hosts made of namespaces: the
 * files are those that `overlayctl cluster init` and `join` write; what systemd
 * does for them (the path unit that restarts etcd), is done here.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPki, newControlPlaneKeys, newKey, type Pki, requestsOf } from '../../cli/cluster/pki.ts'
import { etcdCipherSuite } from '../../lib/etcd-cipher.ts'
import type { Authority } from '../../lib/pki/issue.ts'
import { pause } from '../../lib/retry.ts'
import { createRpcClient, type RpcClient } from '../../lib/rpc-client.ts'
import { clientCredentials, readTls } from '../../lib/tls.ts'
import { EnrolmentService, TokensService } from '../../proto/index.ts'
import { type Controller, flags } from '../lab/controller.ts'
import { openDoors } from '../lab/door.ts'
import type { Etcd } from '../lab/etcd.ts'
import type { Host } from '../lab/host.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import type { Output } from '../lab/netns.ts'
import { until } from '../lab/until.ts'

/** The member of etcd and the controller are of one host, so they have one name. */
const controlPlane = 'ctl'
/** Seconds: the shortest that a controller issues. */
const shortestLife = 60
/** Milliseconds of life of the first certificates, so that nobody has to wait for their renewal. */
const firstLife = 25_000
const day = 86_400_000

export interface IdentityFiles {
  readonly cert: string
  readonly key: string
  readonly ca: string
  readonly id: string
}

export interface ManagedLab {
  readonly lab: Lab
  readonly etcdUrl: string
  readonly admin: IdentityFiles
  readonly controller: Controller
  /** A client of the controller with these certificates; close it. */
  client(files: Partial<IdentityFiles>): RpcClient
  /** Makes a node of a host, as `cluster join` does. Its certificate ends soon. */
  join(host: Host): Promise<IdentityFiles>
  /** overlayctl, as an admin. */
  overlayctl(...args: readonly string[]): Promise<Output>
  etcdctl(files: IdentityFiles, ...args: readonly string[]): Promise<Output>
  /** How often etcd was started again because it is to trust others. */
  restarts(): number
  down(): Promise<void>
}

export async function createManagedLab(hosts: number): Promise<ManagedLab> {
  const lab = await createLab({ hosts })
  const stop = new AbortController()
  const down = async () => {
    stop.abort()
    await lab.down()
  }
  try {
    return { ...(await found(lab, stop.signal)), down }
  } catch (error) {
    await down()
    throw error
  }
}

async function found(lab: Lab, signal: AbortSignal): Promise<Omit<ManagedLab, 'down'>> {
  const [controller] = lab.controllers
  if (!controller) throw new Error('the lab has no controller')
  const [address = '', port] = controller.address.split(':')
  const pki = await loadPki()
  const { authority, admin, own, etcdTls } = await writeFiles(lab, pki, address)
  const etcd = lab.addEtcd({ name: controlPlane, port: 2379 })
  const etcdUrl = etcd.url.replace('http:', 'https:')
  await startEtcd(etcd, etcdUrl, etcdTls)
  let restarts = 0
  restartForTrust(etcd, etcdTls, signal, () => restarts++)
  const doors = await openDoors(lab.ctl, lab.directory, [{ name: 'controller', host: address, port: Number(port) }])
  const client: ManagedLab['client'] = (files) =>
    createRpcClient({
      address: doors.get('controller') ?? '',
      credentials: clientCredentials(readTls(files)),
      timeout: 10_000,
    })
  const asAdmin = flags({ 'tls-cert': admin.cert, 'tls-key': admin.key, 'tls-ca': admin.ca })
  const overlayctl: ManagedLab['overlayctl'] = (...args) => lab.overlayctl(...asAdmin, ...args)
  const life = { 'certificate-life': String(shortestLife) }
  await controller.start({ flags: flags({ ...own, ...life, etcd: etcdUrl, 'etcd-tls': etcdTls }), deadline: 0 })
  const isServed = async () => (await overlayctl('cluster', 'token', 'ls')).exitCode === 0
  await until(isServed, { what: 'the controller to serve', deadline: 20_000, detail: () => controller.logTail() })
  return {
    lab,
    etcdUrl,
    admin,
    controller,
    client,
    overlayctl,
    restarts: () => restarts,
    etcdctl: ({ cert, key, ca }, ...args) =>
      lab.ctl.try(['etcdctl', `--endpoints=${etcdUrl}`, `--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`, ...args], {
        env: { ETCDCTL_API: '3' },
      }),
    join: async (host) => {
      const files = await enrol(host, client, admin, pki, authority)
      const tls = { 'tls-cert': files.cert, 'tls-key': files.key, 'tls-ca': files.ca }
      await host.agent.start({ flags: flags({ ...tls, etcd: etcdUrl }) })
      return files
    },
  }
}

/** What `cluster init` leaves on the first host. */
async function writeFiles(lab: Lab, pki: Pki, address: string) {
  const now = Date.now()
  const sealingKey = pki.createSealingKey()
  const { authority, record } = await pki.newAuthority(sealingKey, 'ACTIVE', now)
  const keys = await newControlPlaneKeys(pki)
  const [id, adminId] = [pki.newIdentityId(), pki.newIdentityId()]
  const issued = await pki.issueControlPlane(
    authority,
    requestsOf(keys, address),
    { id, name: controlPlane },
    firstLife,
  )
  const adminKey = await newKey(pki)
  const adminIdentity = { id: adminId, role: 'admin', name: 'root' } as const
  const adminCertificate = await pki.issueIdentity(authority, adminKey.request, adminIdentity, { life: day })
  const origin = { origin: 'init', authority: record.id }
  const own = { id, role: 'controller', name: controlPlane, certificate: issued.controller } as const
  const first = {
    authorities: { authorities: [record] },
    identities: [
      pki.enrolledIdentity({ ...own, ...origin }, now),
      pki.enrolledIdentity({ ...adminIdentity, certificate: adminCertificate, ...origin }, now),
    ],
  }
  const ca = authority.certificate
  const home = join(lab.directory, 'controller')
  const etcdTls = join(lab.directory, 'etcd-tls')
  const tls = write(home, { 'tls.crt': issued.controller, 'tls.key': keys.controller.key, 'ca.crt': ca })
  const secrets = write(home, { 'sealing.key': sealingKey, 'first-authority.json': pki.formatFirstAuthority(first) })
  write(etcdTls, { 'server.crt': issued.etcdServer, 'server.key': keys.etcdServer.key, 'ca.crt': ca })
  write(etcdTls, { 'peer.crt': issued.etcdPeer, 'peer.key': keys.etcdPeer.key })
  const adminFiles = write(join(lab.directory, 'admin'), {
    'tls.crt': adminCertificate,
    'tls.key': adminKey.key,
    'ca.crt': ca,
  })
  return {
    authority,
    etcdTls,
    own: {
      'tls-cert': tls['tls.crt'],
      'tls-key': tls['tls.key'],
      'tls-ca': tls['ca.crt'],
      'sealing-key': secrets['sealing.key'],
    },
    admin: { cert: adminFiles['tls.crt'], key: adminFiles['tls.key'], ca: adminFiles['ca.crt'], id: adminId },
  }
}

async function startEtcd(etcd: Etcd, url: string, directory: string): Promise<void> {
  const own = { 'listen-client-urls': url, 'advertise-client-urls': url, 'cipher-suites': etcdCipherSuite }
  const files = {
    'cert-file': join(directory, 'server.crt'),
    'key-file': join(directory, 'server.key'),
    'trusted-ca-file': join(directory, 'ca.crt'),
  }
  await etcd.start({ flags: [...flags({ ...own, ...files }), '--client-cert-auth'], deadline: 0 })
}

/** As overlay-etcd-trust.path does. */
function restartForTrust(etcd: Etcd, directory: string, signal: AbortSignal, onRestart: () => void): void {
  const content = () => readFileSync(join(directory, 'ca.crt'), 'utf8')
  const watch = async () => {
    for (let known = content(); !signal.aborted; await pause(50, signal)) {
      const now = content()
      if (now === known) continue
      known = now
      await etcd.restart()
      onRestart()
    }
  }
  watch().catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}

async function enrol(
  { name, home }: Host,
  client: ManagedLab['client'],
  admin: IdentityFiles,
  pki: Pki,
  authority: Authority,
): Promise<IdentityFiles> {
  const [asAdmin, asNobody] = [client(admin), client({ ca: admin.ca })]
  try {
    const { token } = await asAdmin.service(TokensService).create({ role: 'node' })
    const { key, request } = await newKey(pki)
    const answer = await asNobody.service(EnrolmentService).join({ token, name, request })
    const id = answer.identity?.id ?? ''
    // That one would be renewed after forty seconds.
    const certificate = await pki.issueIdentity(authority, request, { id, role: 'node', name }, { life: firstLife })
    const files = write(join(home, 'tls'), { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': answer.authorities })
    return { cert: files['tls.crt'], key: files['tls.key'], ca: files['ca.crt'], id }
  } finally {
    asAdmin.close()
    asNobody.close()
  }
}

/** @returns the paths, by name. */
function write<N extends string>(
  directory: string,
  files: Readonly<Record<N, string | Uint8Array>>,
): Record<N, string> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const paths = Object.entries(files).map(([name, content]) => {
    const path = join(directory, name)
    writeFileSync(path, content as string | Uint8Array, { mode: 0o600 })
    return [name, path]
  })
  return Object.fromEntries(paths) as Record<N, string>
}
