#!/usr/bin/env node
/** overlay-controller: decides for the cluster. */
import { createLogger } from '../lib/log.ts'
import { readOptions } from '../lib/options.ts'
import { runProgram } from '../lib/program.ts'
import { connect } from '../store/connect.ts'
import { startEmbeddedEtcd } from './embedded-etcd/embedded-etcd.ts'
import { controllerProgram } from './options.ts'
import { startController } from './server.ts'

await runProgram('overlay-controller', async ({ signal, defer }) => {
  const options = readOptions(controllerProgram, process.argv.slice(2), process.env)
  const { etcdUrls, embeddedEtcd, prefix, tls } = options
  const log = createLogger('overlay-controller', options.logLevel)
  const store = connect({ urls: etcdUrls, prefix, tls, log })
  let serving = false
  if (embeddedEtcd) {
    const etcd = await startEmbeddedEtcd({ ...embeddedEtcd, log, signal, probe: () => store.probe() })
    // One that was there before us may be another controller's, unless our ports were free.
    defer(async () => {
      if (serving || !etcd.adopted) await etcd.stop()
    })
  }
  defer(() => store.close())
  const controller = await startController({ ...options, store, log, signal })
  serving = true
  defer(() => controller.close())
})
