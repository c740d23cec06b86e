/** overlay-agent: reads its configuration, builds the parts, starts them, stops them in reverse. */
import { dirname, join } from 'node:path'
import { createLogger, type Logger } from '../lib/log.ts'
import { readOptions } from '../lib/options.ts'
import { runProgram, type Stopping } from '../lib/program.ts'
import { rereadFiles } from '../lib/reread-files.ts'
import { clientCredentials } from '../lib/tls.ts'
import { version } from '../lib/version.ts'
import { createAgent } from './agent.ts'
import { serveApi } from './api.ts'
import { startCertificates } from './certificates/start.ts'
import { linkControllers } from './controller-links.ts'
import { followControllers, writeControllers } from './controllers.ts'
import { createLinuxKernel } from './kernel/linux.ts'
import { readBootId, readMachineId } from './node/host-identity.ts'
import { beOnlyAgent } from './node/only-agent.ts'
import { openStore } from './node/open-store.ts'
import { readResolvers } from './node/resolvers.ts'
import { openStateDir } from './node/state-dir.ts'
import { type AgentOptions, agentSpec } from './options.ts'
import { purgeHost } from './purge.ts'
import { answerQuestion } from './questions.ts'
import { socketGroup } from './socket-access.ts'
import { createStanding } from './standing.ts'
import { tellManager } from './tell-manager.ts'

void runProgram(agentSpec.name, async (stopping) => {
  const options = readOptions(agentSpec, process.argv.slice(2), process.env)
  const log = createLogger(agentSpec.name, options.logLevel)
  if (!options.purge) return start(options, log, stopping)
  await purgeHost(log, (text) => void process.stdout.write(text))
  stopping.end()
})

async function start(options: AgentOptions, log: Logger, { signal, defer, service }: Stopping): Promise<void> {
  const { tls, etcdTls } = options
  const stateDir = openStateDir(options.stateDir)
  await beOnlyAgent(stateDir.nodeUid, options.stateDir)
  const store = openStore(options, stateDir, log)
  defer(() => store.close())
  const identity = { uid: stateDir.nodeUid, bootId: readBootId(), machineId: readMachineId(), version }
  const controllers = followControllers(store, signal, log)
  const certificates = tls && startCertificates({ tls, store, controllers, signal, log })
  if (etcdTls && etcdTls !== tls) rereadFiles(etcdTls, signal, log)
  const standing = createStanding(log)
  let isLinked = false
  const link = () => {
    if (isLinked) return
    isLinked = true
    linkControllers({
      controllers,
      hello: { node: options.node, uid: stateDir.nodeUid, version },
      credentials: clientCredentials(tls),
      onRepairs: agent.onRepairs,
      onOtherAddress: agent.onOtherAddress,
      onRefused: standing.onRefused,
      answer: async (question, linkSignal) =>
        question.resync
          ? { resync: await agent.resync(question.resync, linkSignal) }
          : answerQuestion(agent.parts(), question, linkSignal),
      signal,
      log,
    }).catch((error: unknown) => log.error({ err: error }, 'controllers are linked to no more'))
  }
  const agent = createAgent({
    options,
    store,
    stateDir,
    identity,
    createKernel: createLinuxKernel,
    readResolvers,
    onHolding: link,
    otherProblems: () => [...(certificates?.problems() ?? []), ...standing.problems()],
    signal,
    log,
  })
  const group = await socketGroup(options.socketGroup)
  const api = await serveApi({ socket: options.socket, group, log, ...agent })
  defer(() => api.close())
  defer(() => agent.close())
  // Beside the socket, whose directory is there now.
  writeControllers(controllers, join(dirname(options.socket), 'controllers'), log)
  // It does what it can without a store, too: what it waits for, its status tells.
  service.ready()
  tellManager(service, agent.state, signal)
  await agent.run()
  link()
  log.info({ node: options.node, socket: options.socket }, 'ready')
}
