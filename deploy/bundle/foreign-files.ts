/**
 * What modules read from files at run time (the .proto files of etcd, of gRPC's
 * health service and of its reflection): a bundle has no node_modules about it,
 * so those files are copied to `foreign/` beside it, and the modules look there.
 */
import { cpSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import type { Plugin } from 'esbuild'

const require = createRequire(import.meta.url)

/** Packages that read files below one of their directories, found by their modules' `__dirname`. */
const readers: readonly { readonly name: string; readonly directory: string }[] = [
  { name: 'grpc-health-check', directory: 'proto' },
  { name: '@grpc/reflection', directory: 'build/proto/grpc' },
]

/** For bundles that are written to `directory`. */
export function foreignFiles(directory: string): Plugin {
  return {
    name: 'foreign-files',
    setup(build) {
      for (const reader of readers) {
        const root = dirname(require.resolve(`${reader.name}/package.json`))
        copy(root, reader, directory)
        build.onLoad({ filter: startingWith(`${root}/build/`) }, ({ path }) => {
          const home = `__dirname + ${JSON.stringify(`/foreign/${reader.name}/${relative(root, dirname(path))}`)}`
          return { contents: readFileSync(path, 'utf8').replaceAll('__dirname', `(${home})`), loader: 'js' }
        })
      }
      // Our own modules name such a file by its package.
      build.onLoad({ filter: /\/dist\/store\/.*\.js$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        const contents = text.replaceAll(
          /createRequire\(import\.meta\.url\)\.resolve\('([^']+)'\)/g,
          (_, file: string) => {
            const [name = ''] = file.split('/')
            const root = dirname(require.resolve(`${name}/package.json`))
            copy(root, { name, directory: relative(`${name}/`, dirname(file)) }, directory)
            return `(__dirname + ${JSON.stringify(`/foreign/${file}`)})`
          },
        )
        return { contents, loader: 'js' }
      })
    },
  }
}

function copy(root: string, from: (typeof readers)[number], to: string): void {
  cpSync(join(root, from.directory), join(to, 'foreign', from.name, from.directory), {
    recursive: true,
    filter: (path) => !/\.[a-z]+$/.test(path) || path.endsWith('.proto'),
  })
}

function startingWith(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')}.*\\.js$`)
}
