/** overlay-controller: decides for the cluster. */
import { createLogger } from '../lib/log.ts'
import { readOptions } from '../lib/options.ts'
import { runProgram } from '../lib/program.ts'
import { rereadFiles } from '../lib/reread-files.ts'
import { connect } from '../store/connect.ts'
import { startEmbeddedEtcd } from './embedded-etcd/embedded-etcd.ts'
import { controllerProgram } from './options.ts'
import { startController } from './server.ts'

void runProgram('overlay-controller', async ({ signal, defer, service }) => {
  const options = readOptions(controllerProgram, process.argv.slice(2), process.env)
  const { etcdUrls, embeddedEtcd, prefix, tls, etcdClientTls } = options
  const log = createLogger('overlay-controller', options.logLevel)
  // Those of a cluster with its own authority are read again by whoever renews them.
  if (tls && !options.sealingKey) rereadFiles(tls, signal, log)
  if (etcdClientTls && etcdClientTls !== tls) rereadFiles(etcdClientTls, signal, log)
  // Of the cluster's own etcd the members come and go.
  const discover = options.etcdTls !== undefined
  const store = connect({ urls: etcdUrls, prefix, tls: etcdClientTls, log, discover })
  let serving = false
  if (embeddedEtcd) {
    const etcd = await startEmbeddedEtcd({ ...embeddedEtcd, log, signal, probe: () => store.probe() })
    // One that was there before us may be another controller's, unless our ports were free.
    defer(async () => {
      if (serving || !etcd.adopted) await etcd.stop()
    })
  }
  defer(() => store.close())
  service.status('waiting for the store')
  const controller = await startController({ ...options, store, log, signal })
  service.status('serves the API')
  serving = true
  defer(() => controller.close())
})
