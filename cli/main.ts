/** overlayctl: this process as the surroundings of the program. */
import { thisHost } from './cluster/this-host.ts'
import type { Surroundings } from './context.ts'
import { runCli } from './program.ts'

// A token among the arguments is nobody else's to see in the list of processes. (They are copied before.)
const args = process.argv.slice(2)
if (args.some((text) => /^overlay\d|^--token/.test(text))) process.title = 'overlayctl'

/** As a shell reports a program that a closed pipe ended. */
const brokenPipe = 141

process.stdout.on('error', () => process.exit(brokenPipe))

void runCli(args, {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  ask: process.stdin.isTTY ? ask : undefined,
  input,
  now: () => new Date(),
  host: thisHost,
  signals: processSignals(),
}).then((code) => process.exit(code))

/** The terminal stays in its usual mode, so that Ctrl-C is a signal as ever. */
async function ask(question: string, interrupted: AbortSignal): Promise<string | undefined> {
  const { createInterface } = await import('node:readline')
  const lines = createInterface({ input: process.stdin, terminal: false })
  process.stderr.write(question)
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      interrupted.addEventListener('abort', () => reject(new Error('interrupted')), { once: true })
      lines.once('line', resolve).once('close', () => resolve(undefined))
    })
  } finally {
    lines.close()
  }
}

async function input(interrupted: AbortSignal): Promise<string> {
  const { text } = await import('node:stream/consumers')
  return new Promise((resolve, reject) => {
    interrupted.addEventListener('abort', () => reject(new Error('interrupted')), { once: true })
    text(process.stdin).then(resolve, reject)
  })
}

function processSignals(): Surroundings['signals'] {
  const controller = new AbortController()
  let listener: ((signal: NodeJS.Signals) => void) | undefined
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => (listener ? listener(name) : controller.abort(name)))
  return {
    interrupted: controller.signal,
    redirect(to) {
      listener = to
      return () => {
        listener = undefined
      }
    },
  }
}
