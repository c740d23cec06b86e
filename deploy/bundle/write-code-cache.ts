/**
 * Part of the build and of the packages, run by the node that will run the
 * program: runs a bundle up to a connection that is refused, so that the cache
 * holds what a start compiles. Arguments: the bundle's path; for how many
 * milliseconds it runs if it does not end by itself; the program's own.
 */
import { resolve } from 'node:path'
import { loadBundle } from './code-cache.ts'

const [, , path = '', time = '', ...args] = process.argv
const bundle = loadBundle(resolve(path))
process.on('exit', () => {
  bundle.writeCache()
  process.exitCode = 0
})
process.stderr.write = () => true
process.argv = [process.execPath, path, ...args]
setTimeout(() => process.kill(process.pid, 'SIGTERM'), Number(time)).unref()
bundle.run()
