/**
 * Part of the build: runs the bundle once, up to a connection that is refused,
 * so that the cache holds what a command compiles. Argument: the bundle's path.
 */
import { resolve } from 'node:path'
import { loadBundle } from './code-cache.ts'

const [, , path = ''] = process.argv
const bundle = loadBundle(resolve(path))
process.on('exit', () => {
  bundle.writeCache()
  process.exitCode = 0
})
process.stderr.write = () => true
// Nobody listens on TCP port 1 (tcpmux).
process.argv = [process.execPath, path, 'ls', '--controller', '127.0.0.1:1']
bundle.run()
