#!/usr/bin/env node
/** overlay-agent: reads its configuration, builds the parts, starts them, stops them in reverse. */
import { createLogger } from '../lib/log.ts'
import { readOptions } from '../lib/options.ts'
import { runProgram } from '../lib/program.ts'
import { clientCredentials } from '../lib/tls.ts'
import { version } from '../lib/version.ts'
import { connect } from '../store/connect.ts'
import { createAgent } from './agent.ts'
import { serveApi } from './api.ts'
import { linkControllers } from './controller-links.ts'
import { createLinuxKernel } from './kernel/linux.ts'
import { readBootId, readMachineId } from './node/host-identity.ts'
import { beOnlyAgent } from './node/only-agent.ts'
import { readResolvers } from './node/resolvers.ts'
import { openStateDir } from './node/state-dir.ts'
import { agentSpec } from './options.ts'
import { answerQuestion } from './questions.ts'

await runProgram(agentSpec.name, async ({ signal, defer }) => {
  const options = readOptions(agentSpec, process.argv.slice(2), process.env)
  const log = createLogger(agentSpec.name, options.logLevel)
  const stateDir = openStateDir(options.stateDir)
  await beOnlyAgent(stateDir.nodeUid, options.stateDir)
  const store = connect({ urls: options.etcd, prefix: options.prefix, tls: options.tls, log })
  defer(() => store.close())
  const identity = { uid: stateDir.nodeUid, bootId: readBootId(), machineId: readMachineId(), version }
  let isLinked = false
  const link = () => {
    if (isLinked) return
    isLinked = true
    linkControllers({
      store,
      hello: { node: options.node, uid: stateDir.nodeUid, version },
      credentials: clientCredentials(options.tls),
      onRepairs: agent.onRepairs,
      onOtherAddress: agent.onOtherAddress,
      answer: async (question, linkSignal) =>
        question.resync
          ? { resync: await agent.resync(question.resync, linkSignal) }
          : answerQuestion(agent.parts(), question, linkSignal),
      signal,
      log,
    }).catch((error: unknown) => log.error({ err: error }, 'controllers are followed no more'))
  }
  const agent = createAgent({
    options,
    store,
    stateDir,
    identity,
    createKernel: createLinuxKernel,
    readResolvers,
    onHolding: link,
    signal,
    log,
  })
  const api = await serveApi({ socket: options.socket, log, ...agent })
  defer(() => api.close())
  defer(() => agent.close())
  await agent.run()
  link()
  log.info({ node: options.node, socket: options.socket }, 'ready')
})
