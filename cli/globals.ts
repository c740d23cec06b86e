/** The options that every command takes, and their environment variables. */
import { type Command, Option } from 'commander'
import { UsageError } from '../lib/errors.ts'
import type { TlsFiles } from '../lib/tls.ts'
import { parseChoice, parseHostPorts, parseSeconds, parseText } from './arguments.ts'
import type { Found } from './config-files.ts'

export const formats = ['table', 'wide', 'json', 'yaml', 'name'] as const
export type Format = (typeof formats)[number]

export interface Globals {
  /** HOST:PORT each, one or more. */
  readonly controllers: readonly string[]
  /** The path of the local agent's socket. */
  readonly agent: string
  readonly output: Format
  /** How long a call may take, in milliseconds. */
  readonly timeout: number
  /** The same for a call that looks at the whole cluster: as given, or by default longer. */
  readonly longTimeout: number
  readonly verbose: boolean
  readonly tls: TlsFiles
}

/** What a user may set, by flag or environment; each value as text. */
const options = {
  controller: [
    '--controller <host:port>',
    "the controller's address; of several, with commas between, the first that answers is asked (default: this host's cluster's, or else 127.0.0.1:4780)",
  ],
  agent: ['--agent <path>', "the local agent's socket (default: /run/overlay/agent.sock)"],
  output: ['-o, --output <format>', `${formats.join(', ')} (default: table)`],
  timeout: [
    '--timeout <seconds>',
    'how long an answer may take (default: 10; 120 for ipam check, verify, plan, rm --force, node rm, drain, resync)',
  ],
  tlsCert: [
    '--tls-cert <file>',
    'certificate of this client (default, with the next two: as the configuration files say)',
  ],
  tlsKey: ['--tls-key <file>', 'key of that certificate'],
  tlsCa: ['--tls-ca <file>', 'certificate of the authority that the controller is trusted by'],
} as const

type Name = keyof typeof options
type Given = { readonly [name in Name]?: string } & { readonly verbose?: boolean }

export function addGlobalOptions(program: Command): void {
  for (const [name, [flags, description]] of Object.entries(options))
    program.addOption(new Option(flags, `${description} [${variableOf(name)}]`))
  program.option('-v, --verbose', `tell code, address and cause of errors [${variableOf('verbose')}]`)
}

/**
 * Flags over environment over what is found on this host over defaults. TLS
 * files belong together: who gives one of them gives them all.
 * @throws UsageError that names each flag or variable with a wrong value.
 */
export function readGlobals(
  flags: Given,
  env: NodeJS.ProcessEnv,
  found: Found = { controller: undefined, tls: {} },
): Globals {
  const faults = new Set<string>()
  const isGiven = (name: Name) => flags[name] !== undefined || Boolean(env[variableOf(name)])
  const tls = (['tlsCert', 'tlsKey', 'tlsCa'] as const).some(isGiven) ? {} : found.tls
  const read = <T>(name: Name, parse: (text: string) => T, otherwise: T): T => {
    const flag = flags[name]
    const text = flag ?? (env[variableOf(name)] || undefined)
    if (text === undefined) return otherwise
    try {
      return parse(text)
    } catch (error) {
      faults.add(`${flag === undefined ? variableOf(name) : nameOf(name)}: ${(error as Error).message}`)
      return otherwise
    }
  }
  const plain = (text: string) => text
  const globals = {
    controllers: read('controller', parseHostPorts, controllersFound(found, faults)),
    agent: read('agent', parseText, '/run/overlay/agent.sock'),
    output: read('output', parseChoice(formats), 'table'),
    timeout: read('timeout', parseSeconds, 10_000),
    longTimeout: read('timeout', parseSeconds, 120_000),
    verbose: flags.verbose ?? !['', '0', 'false'].includes(env[variableOf('verbose')] ?? ''),
    tls: {
      cert: read('tlsCert', plain, tls.cert),
      key: read('tlsKey', plain, tls.key),
      ca: read('tlsCa', plain, tls.ca),
    },
  }
  if (faults.size > 0) throw new UsageError([...faults].join('; '))
  return globals
}

function controllersFound({ controller }: Found, faults: Set<string>): readonly string[] {
  try {
    return controller === undefined ? ['127.0.0.1:4780'] : parseHostPorts(controller)
  } catch (error) {
    faults.add(`controller in the configuration: ${(error as Error).message}`)
    return []
  }
}

function variableOf(name: string): string {
  return `OVERLAY_${hyphenated(name).toUpperCase().replaceAll('-', '_')}`
}

function nameOf(name: Name): string {
  return name === 'output' ? '-o' : `--${hyphenated(name)}`
}

function hyphenated(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
