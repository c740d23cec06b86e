/**
 * After tsc, in `npm run build`: what tsc does not write. Each program becomes
 * one file with V8's code cache of it, because most of its start would go into
 * loading and compiling many; and a few lines that start both.
 */
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuildOptions, build } from 'esbuild'
import { execa } from 'execa'
import { bundleOf } from './code-cache.ts'
import { foreignFiles } from './foreign-files.ts'
import { type Program, programs, trialTime } from './programs.ts'

/** dist/ */
const root = join(import.meta.dirname, '../..')

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  define: {
    'import.meta.dirname': '__dirname',
    'import.meta.filename': '__filename',
    'import.meta.url': '__filename',
  },
  // See loadBundle: a Script has no import().
  supported: { 'dynamic-import': false },
  // It finds its native part beside itself.
  external: ['koffi'],
  logLevel: 'warning',
}

/** @returns the directories of the modules that are in it. */
async function bundle({ name, entry, minify }: Program): Promise<readonly string[]> {
  const { metafile } = await build({
    ...common,
    metafile: true,
    minify,
    plugins: [foreignFiles(root)],
    entryPoints: [join(root, entry)],
    outfile: bundleOf(join(root, `${name}.cjs`)),
  })
  return Object.keys(metafile.inputs).flatMap((path) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [])
}

async function launcher({ name }: Program): Promise<void> {
  const path = join(root, `${name}.cjs`)
  await build({
    ...common,
    minify: true,
    banner: { js: '#!/usr/bin/env node' },
    entryPoints: [join(import.meta.dirname, 'launch.js')],
    outfile: path,
  })
  chmodSync(path, 0o755)
}

async function writeCodeCaches(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'overlay-build-'))
  const writer = join(import.meta.dirname, 'write-code-cache.js')
  try {
    await Promise.all(
      programs.map(({ name, trial }) =>
        execa(process.execPath, [writer, bundleOf(join(root, `${name}.cjs`)), `${trialTime}`, ...trial(scratch)]),
      ),
    )
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

copyFileSync('proto/gen/codecs.js', join(root, 'proto/gen/codecs.js'))
const modules = await Promise.all(programs.map((program) => bundle(program)))
// For the packages' list of licences.
writeFileSync(join(root, 'modules.json'), JSON.stringify([...new Set(modules.flat())].toSorted()))
await writeCodeCaches()
// Last: setup.sh goes by overlayctl.cjs.
for (const program of programs) await launcher(program)
