/** Types what deploy/vagrant/README.md says, where world.sh has libvirt at work, and looks whether it shows what it says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { packageRoot } from '../../../lib/version.ts'
import { until } from '../../lab/until.ts'
import { createStep } from '../step.ts'
import { shows, type TypedCommand, typedCommands } from './walk.ts'

const directory = join(packageRoot, 'deploy/vagrant')
/** Milliseconds: the machines are emulated. */
const longest = 1_800_000
const patience = 300_000

const step = createStep((line) => process.stdout.write(`${line}\n`))
const begun = performance.now()
try {
  const box = [process.env['OVERLAY_BOX'] ?? '', process.env['OVERLAY_BOX_FILE'] ?? '']
  await step('the box is added', () => execa('vagrant', ['box', 'add', '--provider', 'libvirt', '--name', ...box]))
  for (const typed of typedCommands(readFileSync(join(directory, 'README.md'), 'utf8')))
    await step(typed.command, () => type(typed))
  process.stdout.write(`all of README.md in ${Math.round((performance.now() - begun) / 1_000)} s\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

/** What shows something is typed again until it does: people look twice, too. */
async function type({ command, shown }: TypedCommand): Promise<void> {
  if (shown.length === 0) {
    await run(command)
    return
  }
  let output = ''
  await until(
    async () => {
      output = await run(command)
      return shows(output, shown)
    },
    {
      what: command,
      deadline: patience,
      every: 1_000,
      detail: () => `it shows:\n${output}\nand not:\n${shown.join('\n')}`,
    },
  )
}

/** @throws Error with all that it says, when it fails. */
async function run(command: string): Promise<string> {
  const { all, failed } = await execa('sh', ['-c', command], {
    cwd: directory,
    all: true,
    reject: false,
    stdin: 'ignore',
    timeout: longest,
  })
  if (failed) throw new Error(`${command}\nfailed:\n${all}`)
  return all
}
