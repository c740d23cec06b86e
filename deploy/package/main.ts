/** `npm run package`: the packages, in out/. Needs the network the first time only. */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { execa } from 'execa'
import { packageRoot } from '../../lib/version.ts'
import { bundleOf } from '../bundle/code-cache.ts'
import { programs, trialTime } from '../bundle/programs.ts'
import { type Architecture, architectures, isThisMachine } from './architectures.ts'
import { completions } from './completions.ts'
import { packDeb } from './deb.ts'
import { type Documents, layDebTree } from './deb-tree.ts'
import { manualPages } from './man.ts'
import { makeNpmPackage } from './npm-package.ts'
import { type Manifest, readManifest } from './programs.ts'

const usage = `\
Usage: npm run package                                  all packages, in out/
       npm run package -- --arch amd64                  a .deb of this architecture only
       npm run package -- --version 0.2.0~next --out d  of another version, elsewhere
`

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      arch: { type: 'string' },
      version: { type: 'string' },
      out: { type: 'string', default: join(packageRoot, 'out') },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(usage)
  const wanted = architectures.filter((one) => values.arch === undefined || one === values.arch)
  if (wanted.length === 0) throw new Error(`--arch ${values.arch}: give one of ${architectures.join(', ')}`)
  const manifest = readManifest(values.version)
  const out = resolve(values.out)
  mkdirSync(out, { recursive: true })
  const scratch = mkdtempSync(join(tmpdir(), 'overlay-package-'))
  try {
    const documents = await makeDocuments(manifest.version)
    const epoch = await timeOfChange()
    for (const architecture of wanted) tell(await makeDeb(scratch, out, architecture, manifest, documents, epoch))
    if (values.arch === undefined) tell(await makeNpmPackage(scratch, out, manifest))
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

async function makeDocuments(version: string): Promise<Documents> {
  const built = (name: string) => join(packageRoot, 'dist', `${name}.cjs`)
  const pages = await Promise.all(
    programs.map(({ name }) =>
      manualPages({ name, section: name === 'overlayctl' ? 1 : 8, path: built(name) }, version),
    ),
  )
  return { pages: pages.flat(), completions: await completions(built('overlayctl')) }
}

async function makeDeb(
  scratch: string,
  out: string,
  architecture: Architecture,
  manifest: Manifest,
  documents: Documents,
  epoch: number,
): Promise<string> {
  const root = join(scratch, architecture)
  await layDebTree(root, architecture, manifest, documents)
  if (isThisMachine(architecture)) await writeCodeCaches(join(root, 'usr/lib/overlay'), scratch)
  return packDeb(root, out, architecture, manifest, epoch)
}

/** V8 takes a cache of its own version only: by the node of the package, where that runs here. */
async function writeCodeCaches(lib: string, scratch: string): Promise<void> {
  const writer = join(packageRoot, 'dist/deploy/bundle/write-code-cache.js')
  for (const { name, trial } of programs) {
    const bundle = bundleOf(join(lib, 'dist', `${name}.cjs`))
    await execa(join(lib, 'bin/node'), [writer, bundle, `${trialTime}`, ...trial(scratch)])
  }
}

/** Seconds: SOURCE_DATE_EPOCH, else the last commit's time, else (no checkout) a constant. */
async function timeOfChange(): Promise<number> {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined) return Number(given)
  const { stdout, exitCode } = await execa('git', ['log', '-1', '--format=%ct'], { cwd: packageRoot, reject: false })
  return exitCode === 0 ? Number(stdout) : 1_700_000_000
}

function tell(path: string): void {
  const megabytes = (statSync(path).size / 1e6).toFixed(1)
  process.stdout.write(`${relative(process.cwd(), path)} (${megabytes} MB)\n`)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`package: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
