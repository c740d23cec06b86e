/** Makes a node of this host, which has just been let into the cluster. */
import { paths } from '../../lib/paths.ts'
import type { Context } from '../context.ts'
import { agentConfig } from './configs.ts'
import type { Entered } from './enrol.ts'
import { type ForeignFiles, foreignEtcdOf } from './foreign-etcd.ts'
import { makeAgentDirectories, nodePaths, removeAll, writeConfig, writeForeignEtcd, writeIdentity } from './layout.ts'
import type { Undo } from './undo.ts'
import { startUnit, stopUnit, units } from './units.ts'
import { waitForAgent } from './wait.ts'

/** Where VXLAN packets go to. */
export interface Vtep {
  readonly vtepAddress?: string | undefined
  readonly vtepInterface?: string | undefined
}

/** Writes the agent's files, starts it, and waits until it is ready. */
export async function becomeNode(
  context: Context,
  undo: Undo,
  node: string,
  { answer, key }: Entered,
  vtep: Vtep,
  foreign: ForeignFiles | undefined,
): Promise<void> {
  const { host, signals } = context
  const { certificate, authorities, etcdUrls, prefix } = answer
  undo(() => removeAll(host, nodePaths))
  await makeAgentDirectories(host)
  await writeIdentity(host, paths.agentTls, { certificate, key, authorities })
  if (foreign) await writeForeignEtcd(host, paths.agentTls, foreign)
  const foreignEtcd = foreign && foreignEtcdOf(foreign)
  await writeConfig(host, paths.agentConfig, agentConfig({ node, etcdUrls, prefix, ...vtep, foreignEtcd }))
  context.note('starting the agent')
  undo(() => stopUnit(host, units.agent))
  await startUnit(host, units.agent, signals.interrupted)
  await waitForAgent(context)
}
