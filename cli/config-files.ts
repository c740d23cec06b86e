/** What overlayctl finds on its host: the controllers, and with which certificate it speaks to them. */
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { UsageError } from '../lib/errors.ts'
import { paths } from '../lib/paths.ts'
import { lifeOf } from '../lib/pki/due.ts'
import type { TlsFiles } from '../lib/tls.ts'
import type { Host } from './cluster/host.ts'

export interface Found {
  /** As --controller takes them. */
  readonly controller: string | undefined
  readonly tls: TlsFiles
}

/** The options that a configuration file may have, as the flags are called. */
const known = ['controller', 'tlsCert', 'tlsKey', 'tlsCa'] as const
type Settings = { readonly [name in (typeof known)[number]]?: string }

/** The person's own configuration file. */
export function personalConfig(host: Host, env: NodeJS.ProcessEnv): string | undefined {
  const directory = env['XDG_CONFIG_HOME'] || (host.home() && join(host.home() ?? '', '.config'))
  return directory ? join(directory, 'overlay', 'overlayctl.yaml') : undefined
}

/**
 * In this order: the person's file, the host's, and what its controller or else
 * its agent has, for root. The certificate, its key and the authority are taken
 * from one of them: from the first whose certificate has not expired, so that
 * root on a host of the control plane is never locked out.
 * @throws UsageError of a file that cannot be understood.
 */
export async function findConfig(host: Host, env: NodeJS.ProcessEnv): Promise<Found> {
  const files = [personalConfig(host, env), paths.clientConfig].filter((path) => path !== undefined)
  const settings: Settings[] = []
  for (const path of files) settings.push(await settingsIn(host, path))
  const controller = settings.find((one) => one.controller !== undefined)?.controller ?? controllersOfAgent(host)
  for (const path of [paths.controllerConfig, paths.agentConfig]) settings.push(await settingsOfProgram(host, path))
  const identities = settings.filter(hasTls)
  const withTls = identities.find((one) => !hasExpired(host, one)) ?? identities[0] ?? {}
  return { controller, tls: { cert: withTls.tlsCert, key: withTls.tlsKey, ca: withTls.tlsCa } }
}

function hasTls({ tlsCa, tlsCert, tlsKey }: Settings): boolean {
  return Boolean(tlsCa ?? tlsCert ?? tlsKey)
}

async function settingsIn(host: Host, path: string): Promise<Settings> {
  const content = await mappingIn(host, path)
  const wrong = Object.entries(content).filter(
    ([name, value]) => !(known as readonly string[]).includes(name) || typeof value !== 'string',
  )
  if (wrong.length > 0)
    throw new UsageError(
      `${path}: ${wrong.map(([name]) => name).join(', ')}: it takes ${known.join(', ')}, each with a text`,
    )
  return content
}

/** One that cannot be read is for the controller, or for the person who lacks a permission, to judge. */
function hasExpired(host: Host, { tlsCert }: Settings): boolean {
  try {
    return tlsCert !== undefined && lifeOf(new X509Certificate(host.read(tlsCert))).end < Date.now()
  } catch {
    return false
  }
}

/** Of the identity of a program on this host. */
async function settingsOfProgram(host: Host, path: string): Promise<Settings> {
  const { tlsCert, tlsKey, tlsCa } = (await mappingIn(host, path)) as Settings
  return { ...(tlsCert && { tlsCert }), ...(tlsKey && { tlsKey }), ...(tlsCa && { tlsCa }) }
}

async function mappingIn(host: Host, path: string): Promise<{ readonly [name: string]: unknown }> {
  const text = textOf(host, path)
  if (text === undefined) return {}
  const { parse } = await import('yaml')
  try {
    const content: unknown = parse(text) ?? {}
    if (typeof content === 'object' && !Array.isArray(content)) return content as { readonly [name: string]: unknown }
  } catch (error) {
    throw new UsageError(`${path}: ${(error as Error).message}`)
  }
  throw new UsageError(`${path}: must be a mapping of options`)
}

function controllersOfAgent(host: Host): string | undefined {
  const lines = textOf(host, paths.controllers)
    ?.split('\n')
    .map((line) => line.trim())
  return lines?.filter((line) => line !== '').join(',') || undefined
}

/** Undefined of a file that is not there, or not for this person. */
function textOf(host: Host, path: string): string | undefined {
  try {
    return host.read(path).toString('utf8')
  } catch {
    return undefined
  }
}
