/** Takes this host out of its cluster. */
import { X509Certificate } from 'node:crypto'
import { hasCode, OverlayError } from '../../lib/errors.ts'
import { paths } from '../../lib/paths.ts'
import { identityOf } from '../../lib/pki/identity.ts'
import { AgentService, ClustersService, ControlPlaneService, NodesService, SecurityService } from '../../proto/index.ts'
import type { Peer } from '../connect.ts'
import type { Context } from '../context.ts'
import { stopEtcd } from './control-plane.ts'
import { dialAny, type Material, materialIn } from './dial.ts'
import { isControlPlane } from './join.ts'
import { controlPlanePaths, nodePaths, removeAll, tlsFiles } from './layout.ts'
import { marksOf, needRoot, nodeName } from './preflight.ts'
import { startUnit, stopUnit, units } from './units.ts'

export interface LeaveOptions {
  readonly force?: boolean
  readonly destroy?: boolean
}

export interface Left {
  readonly node: string
  /** What is left to do elsewhere, a line each. */
  readonly remaining: readonly string[]
}

/**
 * What is refused is refused before anything is changed.
 * @throws OverlayError `failed_precondition` with endpoints here, of the last
 * host of the control plane, of one whose etcd the others need; `unavailable`
 * without a controller, unless forced.
 */
export async function leaveCluster(context: Context, { force = false, destroy = false }: LeaveOptions): Promise<Left> {
  const { host } = context
  needRoot(host, 'cluster leave')
  if (marksOf(host).length === 0) throw new OverlayError('failed_precondition', 'this host is not part of a cluster')
  const node = ownName(context)
  if (!force) await needNoEndpoints(context)
  const remaining = destroy ? await endCluster(context, node) : await signOff(context, node, force)
  context.note('removing what is on this host')
  await stopUnit(host, units.agent)
  const purge = await host.run('overlay-agent', ['--purge'])
  if (purge.code !== 0)
    context.report(
      new OverlayError(
        'internal',
        `what is in the kernel was not all removed (${purge.stderr.trim() || `overlay-agent --purge: exit code ${purge.code}`}): run overlay-agent --purge again, and see ip -d link`,
      ),
    )
  await stopUnit(host, units.controller)
  await stopEtcd(host)
  await removeAll(host, [...controlPlanePaths, ...nodePaths])
  return { node, remaining }
}

/** As its certificate has it; without one, as the host is called. */
function ownName({ host }: Context): string {
  for (const directory of [paths.agentTls, paths.controllerTls]) {
    const { cert } = tlsFiles(directory)
    const name = host.exists(cert) ? identityOf(new X509Certificate(host.read(cert)))?.name : undefined
    if (name !== undefined) return name
  }
  return nodeName(host, undefined)
}

async function needNoEndpoints({ agent, host }: Context): Promise<void> {
  if (!host.exists(paths.agentConfig)) return
  try {
    const { endpoints } = await agent.ask((client, call) => client.service(AgentService).list({}, call))
    if (endpoints.length === 0) return
    const names = endpoints.map(({ name, id, network }) => `${name || id.slice(0, 12)} on ${network}`)
    throw new OverlayError(
      'failed_precondition',
      `workloads of this host are attached (${names.join(', ')}): detach them first (overlayctl detach), or cut them off with --force`,
    )
  } catch (thrown) {
    const error = OverlayError.from(thrown)
    if (error.code === 'failed_precondition') throw error
    throw new OverlayError(
      'unavailable',
      `whether workloads of this host are attached only its agent can tell: ${error.message}; or leave with --force`,
      { cause: error },
    )
  }
}

/** The cluster ends with this host: what the others have to do. */
async function endCluster(context: Context, node: string): Promise<readonly string[]> {
  if (!isControlPlane(context))
    throw new OverlayError(
      'failed_precondition',
      '--destroy ends a cluster, on a host of its control plane; this is none',
    )
  const unknown: { nodes: string[]; members: string[] } = { nodes: [], members: [] }
  const { nodes, members } = await withCluster(context, (peer) => clusterOf(peer)).catch(() => unknown)
  const hosts = [...new Set([...nodes, ...members])].filter((name) => name !== node)
  return hosts.map(
    (name) => `on ${name}: overlayctl cluster leave --force${members.includes(name) ? ' --destroy' : ''}`,
  )
}

/** The cluster forgets this host. The agent runs no more then, so that nothing is written back. */
async function signOff(context: Context, node: string, force: boolean): Promise<readonly string[]> {
  const { host } = context
  const { interrupted } = context.signals
  try {
    return await withCluster(context, async (peer) => {
      const controlPlane = isControlPlane(context)
      if (controlPlane) await needOthers(peer, node)
      await host.run('systemctl', ['stop', units.agent])
      if (controlPlane && host.exists(paths.etcdConfig)) await ignoring('not_found', removeMember(peer, node))
      await ignoring('not_found', removeNode(peer, node))
      if (controlPlane) {
        if (host.exists(paths.adminTls)) await ignoring('not_found', revoke(peer, `admin/${node}`))
        await ignoring('unauthenticated', ignoring('not_found', revoke(peer, `controller/${node}`)))
      }
      return []
    })
  } catch (thrown) {
    const error = OverlayError.from(thrown)
    if (!interrupted.aborted && isForgotten(context, error)) {
      context.note(`the cluster has forgotten this host already: ${error.message}`)
      return []
    }
    if (!force || interrupted.aborted) {
      await backToWork(context)
      interrupted.throwIfAborted()
      throw error.code === 'unavailable' || error.code === 'deadline'
        ? error.saying(`${error.message}; leave without the cluster's knowing with --force`)
        : error
    }
    context.note(`the cluster was not told: ${error.message}`)
    return [
      `on another host: overlayctl node rm --force ${node}`,
      ...(isControlPlane(context) ? [`on another host: overlayctl cluster certs revoke controller/${node}`] : []),
    ]
  }
}

/**
 * An identity that is still good by itself, and is refused: a former `leave` has
 * come so far and was cut short, or somebody has removed the node.
 */
function isForgotten(context: Context, { code }: OverlayError): boolean {
  const { host, now } = context
  const { cert } = tlsFiles(ownDirectory(context))
  if (code !== 'unauthenticated' || !host.exists(cert)) return false
  return now().getTime() < Date.parse(new X509Certificate(host.read(cert)).validTo)
}

/** What was refused, or interrupted, leaves the host as it was. */
async function backToWork({ host, report }: Context): Promise<void> {
  if (!host.exists(paths.agentConfig)) return
  await startUnit(host, units.agent, new AbortController().signal).catch(report)
}

async function needOthers(peer: Peer, node: string): Promise<void> {
  const { members, controllers, external } = await clusterOf(peer)
  if (external ? controllers <= 1 : members.every((name) => name === node))
    throw new OverlayError(
      'failed_precondition',
      'this is the last host of the control plane, and the cluster would end with it: join another one first (cluster join --control-plane), or end the cluster with --destroy',
    )
}

async function clusterOf(peer: Peer) {
  const [security, status] = await Promise.all([
    peer.ask((client, call) => client.service(SecurityService).get({}, call)),
    peer.ask((client, call) => client.service(ClustersService).getStatus({}, call)),
  ])
  return {
    members: security.members.map(({ name }) => name),
    external: security.externalEtcd,
    controllers: status.controllers.length,
    nodes: status.nodes.map(({ name }) => name),
  }
}

function removeMember(peer: Peer, name: string) {
  return peer.ask((client, call) => client.service(ControlPlaneService).removeMember({ name }, call))
}

function removeNode(peer: Peer, name: string) {
  return peer.ask((client, call) => client.service(NodesService).remove({ name, force: true }, call))
}

function revoke(peer: Peer, identity: string) {
  return peer.ask((client, call) => client.service(SecurityService).revoke({ identity }, call))
}

async function ignoring(code: 'not_found' | 'unauthenticated', work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!hasCode(error, code)) throw error
  })
}

function ownDirectory(context: Context): string {
  return isControlPlane(context) ? paths.controllerTls : paths.agentTls
}

/** @throws OverlayError `failed_precondition` on a host that was set up, or taken out, by half. */
function ownMaterial(context: Context): Material {
  try {
    return materialIn(context, ownDirectory(context))
  } catch (error) {
    throw new OverlayError(
      'failed_precondition',
      `this host cannot tell the cluster who it is (${(error as Error).message}): what is left on it, --force removes`,
      { cause: error },
    )
  }
}

/** With this host's own identity; this host's controller is asked last, because it loses its etcd. */
async function withCluster<T>(context: Context, work: (peer: Peer) => Promise<T>): Promise<T> {
  const { host, globals } = context
  const own = new Set(['127.0.0.1', '::1', 'localhost', ...host.addresses().map(({ address }) => address)])
  const isOwn = (address: string) => own.has(address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'))
  const addresses = globals.controllers.toSorted((a, b) => Number(isOwn(a)) - Number(isOwn(b)))
  const peer = dialAny(context, addresses, ownMaterial(context))
  try {
    return await work(peer)
  } finally {
    peer.close()
  }
}
