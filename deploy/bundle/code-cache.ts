/**
 * The bundle of a program with V8's code cache beside it: most of a short
 * command's time, and half of a daemon's start, would be the compiling of
 * grpc-js and the like. V8 itself refuses a cache of another version or other
 * flags; then all is compiled as ever.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Script } from 'node:vm'

export interface Bundle {
  /** Whether V8 took the cache. */
  readonly cached: boolean
  run(): void
  /** Writes the cache, of everything that was compiled so far. */
  writeCache(): void
}

/** Where the bundle is that a built program, for example `dist/overlayctl.cjs`, starts. */
export function bundleOf(program: string): string {
  return program.replace(/\.cjs$/, '-bundle.cjs')
}

/**
 * Loads a CommonJS bundle from `path`, its cache from `path` + `.cache`. The
 * bundle may call `require`, but not `import()`: a Script has that only with a
 * warning that it is experimental.
 */
export function loadBundle(path: string): Bundle {
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'utf8')}\n})`
  const cachedData = readIfThere(`${path}.cache`)
  const script = new Script(source, { filename: path, ...(cachedData && { cachedData }) })
  return {
    cached: script.cachedDataRejected === false,
    run() {
      const module = { exports: {} }
      script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path))
    },
    writeCache: () => writeFileSync(`${path}.cache`, script.createCachedData()),
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}
