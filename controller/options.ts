/** The controller's flags, checked. */
import { join } from 'node:path'
import { z } from 'zod'
import { OverlayError } from '../lib/errors.ts'
import { parseCidr } from '../lib/ip.ts'
import { type LogLevel, logLevels } from '../lib/log.ts'
import type { OptionSpec, ProgramSpec } from '../lib/options.ts'
import { subnetFault } from '../lib/requests/subnets.ts'
import { readTls, serverCredentials, type Tls, type TlsFiles } from '../lib/tls.ts'
import { parseVni } from '../lib/vni.ts'
import { parseEtcdUrls } from '../store/endpoints.ts'
import { defaultPrefix, parsePrefix } from '../store/keys.ts'
import { formatHostPort, type HostPort, isLoopback, isWildcard, parseHostPort } from './address.ts'
import { clientUrl, type EtcdAddresses } from './embedded-etcd/arguments.ts'
import { type FlagValues, flagValues } from './flag-values.ts'
import { defaultCertificateLife, type ManagedOptions, readEtcdClientTls, readManaged } from './managed-options.ts'
import type { Pool, VniRange } from './networks/allocate.ts'

export interface ControllerOptions extends ManagedOptions {
  /** Where this controller reaches etcd. */
  readonly etcdUrls: readonly string[]
  /** Undefined: somebody else runs etcd. */
  readonly embeddedEtcd: { readonly directory: string; readonly addresses: EtcdAddresses } | undefined
  readonly listen: HostPort
  /** What agents dial. */
  readonly advertise: HostPort
  readonly prefix: string
  readonly vnis: VniRange
  readonly pools: readonly Pool[]
  /** Seconds after which an unreachable node is evicted; 0: never. */
  readonly nodeGrace: number
  readonly tls: Tls | undefined
  /** With what etcd is dialled. */
  readonly etcdClientTls: Tls | undefined
  readonly logLevel: LogLevel
}

const options: readonly OptionSpec[] = [
  { flags: '--etcd <urls>', description: 'etcd, as URLs with commas between (default: an embedded one)' },
  {
    flags: '--embedded-etcd <dir>',
    description: 'start and supervise an etcd with its data here (default: etcd in the state directory)',
  },
  {
    flags: '--embedded-etcd-listen <url>',
    description: 'where that etcd listens (default: http://127.0.0.1:2379; https with TLS)',
  },
  { flags: '--state-dir <dir>', description: 'what outlives a restart (default: /var/lib/overlay/controller)' },
  { flags: '--listen <host:port>', description: 'where the API is served (default: 127.0.0.1:4780)' },
  { flags: '--advertise <host:port>', description: 'what agents dial (default: the listen address)' },
  { flags: '--prefix <prefix>', description: `where the cluster's keys are in etcd (default: ${defaultPrefix})` },
  { flags: '--vni-range <min-max>', description: 'VNIs to give out (default: 1048576-16777215)' },
  {
    flags: '--pool <cidr:size>',
    description: 'where subnets come from when none is named; repeatable (default: 10.64.0.0/10:24)',
    repeatable: true,
  },
  {
    flags: '--node-grace <seconds>',
    description:
      'evict a node, and release its addresses, when it has been unreachable for so long (default: 0: never, only node rm does)',
  },
  { flags: '--tls-cert <file>', description: 'certificate of this controller' },
  { flags: '--tls-key <file>', description: 'its key' },
  { flags: '--tls-ca <file>', description: 'certificate of the authority to trust: etcd, agents and callers' },
  { flags: '--etcd-cert <file>', description: 'certificate for etcd (default: the --tls files)' },
  { flags: '--etcd-key <file>', description: 'its key' },
  { flags: '--etcd-ca <file>', description: 'certificate of the authority of etcd' },
  {
    flags: '--sealing-key <file>',
    description: 'issue the certificates of this cluster: 32 bytes that open the keys of its authorities',
  },
  {
    flags: '--etcd-tls <dir>',
    description: 'server.crt, server.key, peer.crt, peer.key and ca.crt of the etcd on this host: keep them renewed',
  },
  {
    flags: '--certificate-life <seconds>',
    description: `how long a certificate is valid; it is renewed after two thirds (default: ${defaultCertificateLife}, a year)`,
  },
  { flags: '--log-level <level>', description: `${logLevels.join(', ')} (default: info)` },
]

export const controllerProgram: ProgramSpec<ControllerOptions> = {
  name: 'overlay-controller',
  description: 'Decides for a cluster of overlay networks: API, networks, VNIs, subnets.',
  options,
  schema: z.record(z.string(), z.unknown()).transform((given, context) => {
    const read = readAll(flagValues(given, context))
    return read ?? z.NEVER
  }),
  examples: `Examples:
  overlay-controller                                   all on this host, with an etcd of its own
  overlay-controller --etcd http://10.0.0.1:2379 --listen 10.0.0.1:4780
  overlay-controller --embedded-etcd-listen http://10.0.0.1:2379 --listen 10.0.0.1:4780
Each option is also an environment variable: OVERLAY_ETCD, OVERLAY_LISTEN, …`,
}

/** Undefined when something is missing; what is wrong has been noted then. */
function readAll(flags: FlagValues): ControllerOptions | undefined {
  const tlsFiles = {
    cert: flags.isGiven('tlsCert') ? flags.one('tlsCert', '', parseText) : undefined,
    key: flags.isGiven('tlsKey') ? flags.one('tlsKey', '', parseText) : undefined,
    ca: flags.isGiven('tlsCa') ? flags.one('tlsCa', '', parseText) : undefined,
  }
  const tls = flags.check('tlsCa', () => readTls(tlsFiles))
  flags.check('tlsCert', () => serverCredentials(tls))
  const listen = flags.one('listen', '127.0.0.1:4780', parseHostPort)
  const advertise = flags.isGiven('advertise') ? flags.one('advertise', '', parseHostPort) : listen
  const etcdClientTls = readEtcdClientTls(flags, tls)
  const managed = readManaged(flags, tls)
  const etcd = flags.isGiven('etcd') ? externalEtcd(flags, etcdClientTls) : embeddedEtcd(flags, tlsFiles, advertise)
  if (advertise && etcd) flags.check('advertise', () => refuseUnreachable(advertise, etcd.etcdUrls, etcd.embeddedEtcd))
  const prefix = flags.one('prefix', defaultPrefix, parsePrefix)
  const vnis = flags.one('vniRange', '1048576-16777215', parseVniRange)
  const pools = flags.all('pool', ['10.64.0.0/10:24'], parsePool)
  const nodeGrace = flags.one('nodeGrace', '0', parseNodeGrace)
  const logLevel = flags.one('logLevel', 'info', parseLogLevel)
  if (!listen || !advertise || !etcd || !prefix || !vnis || nodeGrace === undefined || !logLevel || !managed)
    return undefined
  return { ...etcd, ...managed, listen, advertise, prefix, vnis, pools, nodeGrace, tls, etcdClientTls, logLevel }
}

function externalEtcd(flags: FlagValues, tls: Tls | undefined) {
  for (const other of ['embeddedEtcd', 'embeddedEtcdListen'].filter((name) => flags.isGiven(name)))
    flags.check(other, () => {
      throw new OverlayError('invalid', 'goes without --etcd: either somebody else runs etcd, or this controller does')
    })
  const urls = flags.all('etcd', [], (text) => parseEtcdUrls(text.split(','), tls !== undefined))
  return { etcdUrls: urls.flat().map((endpoint) => endpoint.url), embeddedEtcd: undefined }
}

function embeddedEtcd(flags: FlagValues, tls: TlsFiles, advertise: HostPort | undefined) {
  const stateDir = flags.one('stateDir', '/var/lib/overlay/controller', parseText)
  const directory = flags.one('embeddedEtcd', join(stateDir ?? '', 'etcd'), parseText)
  const scheme = tls.ca ? 'https' : 'http'
  const listen = flags.one('embeddedEtcdListen', `${scheme}://127.0.0.1:2379`, (text) => parseEtcdListen(text, scheme))
  if (!directory || !listen || !advertise) return undefined
  const { cert, key, ca } = tls
  const addresses = { listen, advertisedHost: advertise.host, tls: cert && key && ca ? { cert, key, ca } : undefined }
  return { etcdUrls: [clientUrl(addresses)], embeddedEtcd: { directory, addresses } }
}

/** An address that other hosts cannot dial may be advertised only where there are no other hosts. */
function refuseUnreachable(
  advertise: HostPort,
  etcdUrls: readonly string[],
  embedded: ControllerOptions['embeddedEtcd'],
): void {
  if (isWildcard(advertise.host))
    throw new OverlayError(
      'invalid',
      `${formatHostPort(advertise)} is no address that agents can dial: name one of this host (--advertise HOST:PORT)`,
    )
  const etcdHosts = embedded ? [embedded.addresses.listen.hostname] : etcdUrls.map((url) => new URL(url).hostname)
  if (isLoopback(advertise.host) && !etcdHosts.every(isLoopback))
    throw new OverlayError(
      'invalid',
      `${formatHostPort(advertise)} is reached from this host only, but etcd (${etcdHosts.join(', ')}) serves others too: name an address of this host to listen on (--listen HOST:PORT), or to be dialled at (--advertise HOST:PORT)`,
    )
}

function parseText(text: string): string {
  if (text === '') throw new OverlayError('invalid', 'is empty')
  return text
}

function parseVniRange(text: string): VniRange {
  const match = /^(\d{1,8})-(\d{1,8})$/.exec(text)
  if (!match) throw new OverlayError('invalid', `"${text}" is not MIN-MAX (for example 1048576-16777215)`)
  const range = { min: parseVni(Number(match[1])), max: parseVni(Number(match[2])) }
  if (range.min > range.max) throw new OverlayError('invalid', `${range.min} is above ${range.max}`)
  return range
}

function parsePool(text: string): Pool {
  const match = /^(.+\/\d+):(\d{1,3})$/.exec(text)
  if (!match) throw new OverlayError('invalid', `"${text}" is not CIDR:SIZE (for example 10.64.0.0/10:24)`)
  const cidr = parseCidr(match[1] as string)
  const size = Number(match[2])
  if (size < cidr.prefix) throw new OverlayError('invalid', `${text}: subnets of /${size} do not fit into ${cidr.text}`)
  const fault = subnetFault({ ...cidr, text: `${text}: a subnet of /${size}`, prefix: size })
  if (fault) throw new OverlayError('invalid', fault)
  return { cidr, size }
}

/** Seconds. */
function parseNodeGrace(text: string): number {
  const longest = 30 * 24 * 3_600
  if (!/^\d{1,7}$/.test(text) || Number(text) > longest)
    throw new OverlayError(
      'invalid',
      `"${text}" is not a whole number of seconds from 0 (never) to ${longest} (30 days)`,
    )
  return Number(text)
}

function parseEtcdListen(text: string, scheme: 'http' | 'https'): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.port === '' || url.pathname !== '/')
    throw new OverlayError(
      'invalid',
      `"${text}" is not a URL with host and port (for example ${scheme}://10.0.0.1:2379)`,
    )
  if (url.protocol !== `${scheme}:`)
    throw new OverlayError(
      'invalid',
      scheme === 'http'
        ? `${text} needs --tls-cert, --tls-key and --tls-ca`
        : `TLS files are given, but ${text} says http: write https`,
    )
  return url
}

function parseLogLevel(text: string): LogLevel {
  const level = logLevels.find((known) => known === text)
  if (!level) throw new OverlayError('invalid', `"${text}" is not one of ${logLevels.join(', ')}`)
  return level
}
