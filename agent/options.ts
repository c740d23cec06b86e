/** The agent's flags: DESIGN.md, "Programs and their flags". */
import { hostname } from 'node:os'
import { z } from 'zod'
import { hasCode, OverlayError } from '../lib/errors.ts'
import { parseIp } from '../lib/ip.ts'
import { logLevels } from '../lib/log.ts'
import { parseIfname, parseName } from '../lib/names.ts'
import type { ProgramSpec } from '../lib/options.ts'
import { paths } from '../lib/paths.ts'
import { settlePair } from '../lib/pki/replace-files.ts'
import { readTls, type Tls, type TlsFiles } from '../lib/tls.ts'
import { parseEtcdUrls } from '../store/endpoints.ts'
import { defaultPrefix, parsePrefix } from '../store/keys.ts'

export interface AgentOptions extends z.infer<typeof single> {
  /** URLs of its members; none with `purge`, which needs no store. */
  readonly etcd: readonly string[]
  readonly tls: Tls | undefined
  /** Towards etcd: the same, unless it is somebody else's. */
  readonly etcdTls: Tls | undefined
}

/** Bytes; the kernel takes 107 (unix(7)). */
const longestSocket = 100

/** What can be checked option by option. */
const single = z.object({
  // A hostname may have a domain and capitals; a node's name is one DNS label.
  node: parsed(parseName).prefault(() => hostname().split('.')[0]?.toLowerCase() ?? ''),
  vtepAddress: parsed(parseIp).optional(),
  vtepInterface: parsed(parseIfname).optional(),
  vxlanPort: wholeNumber(1, 65_535).default(4789),
  socket: absolutePath()
    .refine(
      (path) => Buffer.byteLength(path) <= longestSocket,
      `is longer than ${longestSocket} bytes, which is too long for a unix socket: choose a shorter path`,
    )
    .default(paths.agentSocket),
  socketGroup: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]*$/i, 'is no name of a group')
    .optional(),
  stateDir: absolutePath().default(paths.agentState),
  sessionTtl: wholeNumber(5, 3_600).default(30),
  sandboxGrace: wholeNumber(0, 86_400).default(60),
  resync: yesOrNo().default(false),
  purge: yesOrNo().default(false),
  prefix: parsed(parsePrefix).prefault(defaultPrefix),
  logLevel: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
})

/** A list is what a YAML file may have. What the URLs may be depends on the TLS files. */
const etcdUrls = z.object({
  etcd: z
    .union([z.string(), z.array(z.string())], 'is required: the URLs of etcd, for example http://10.0.0.1:2379')
    .transform((given) => [given].flat().flatMap((text) => text.split(','))),
})

const tlsFiles = z.object({
  tlsCert: z.string().optional(),
  tlsKey: z.string().optional(),
  tlsCa: z.string().optional(),
  etcdCert: z.string().optional(),
  etcdKey: z.string().optional(),
  etcdCa: z.string().optional(),
})

/** Checks all parts before it gives up, so that every fault is told at once. */
const schema = z.record(z.string(), z.unknown()).transform((given, context): AgentOptions => {
  const add = (name: PropertyKey, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message, input: given[String(name)] })
  const read = <T>(name: string, run: () => T): T | undefined => {
    try {
      return run()
    } catch (error) {
      if (!hasCode(error, 'invalid')) throw error
      add(name, error.message)
      return undefined
    }
  }
  const rest = single.safeParse(given)
  const isPurge = rest.data?.purge === true
  // To purge, neither a store nor what leads to it is needed.
  const urls = etcdUrls.safeParse(isPurge ? { etcd: [] } : given)
  const files = tlsFiles.safeParse(isPurge ? {} : given)
  for (const { path, message } of [urls, files, rest].flatMap(({ error }) => error?.issues ?? []))
    add(path[0] ?? '', message)
  const { tlsCert, tlsKey, tlsCa, etcdCert, etcdKey, etcdCa } = files.data ?? {}
  const isSecure = Boolean(tlsCert || tlsKey || tlsCa || etcdCert || etcdKey || etcdCa)
  const etcd = urls.success ? read('etcd', () => (isPurge ? [] : parseEtcdUrls(urls.data.etcd, isSecure))) : undefined
  const tls = read('tlsCa', () => readOwnTls({ cert: tlsCert, key: tlsKey, ca: tlsCa }))
  const ofEtcd = read('etcdCa', () => readEtcdTls({ cert: etcdCert, key: etcdKey, ca: etcdCa }))
  if (given['vtepAddress'] !== undefined && given['vtepInterface'] !== undefined)
    add('vtepAddress', 'give either --vtep-address or --vtep-interface')
  if (!etcd || !rest.success) return z.NEVER
  return { ...rest.data, etcd: etcd.map(({ url }) => url), tls, etcdTls: ofEtcd ?? tls }
})

export const agentSpec: ProgramSpec<AgentOptions> = {
  name: 'overlay-agent',
  description: 'Makes the overlay networks of this host: bridges, VXLAN devices, veth pairs, and the entries in them.',
  schema,
  options: [
    { flags: '--etcd <urls>', description: 'URLs of etcd, separated by commas' },
    {
      flags: '--node <name>',
      description: "this host's name in the cluster (default: the first part of the hostname)",
    },
    { flags: '--vtep-address <ip>', description: 'the address that VXLAN packets come from and go to' },
    { flags: '--vtep-interface <name>', description: 'the interface whose first address it is' },
    { flags: '--vxlan-port <port>', description: 'UDP port of VXLAN, the same on all hosts (default: 4789)' },
    { flags: '--socket <path>', description: 'unix socket to serve on (default: /run/overlay/agent.sock)' },
    {
      flags: '--socket-group <name>',
      description: 'the group that may use it beside the owner (default: overlay, if there is such a group)',
    },
    { flags: '--state-dir <dir>', description: "the agent's own files (default: /var/lib/overlay/agent)" },
    { flags: '--session-ttl <seconds>', description: 'so long after its death an agent counts as live (default: 30)' },
    {
      flags: '--sandbox-grace <seconds>',
      description: 'so long after its sandbox is gone an endpoint keeps its addresses (default: 60)',
    },
    {
      flags: '--resync',
      description:
        'at this start believe a store that was restored from an older state: what lives here and was lost is written back (as "overlayctl node resync")',
    },
    {
      flags: '--purge',
      description:
        'takes down everything of ours on this host (devices, firewall rules, routes) and ends; no agent may run, and no store is needed',
    },
    { flags: '--prefix <prefix>', description: "where the cluster's keys are in etcd (default: /overlay/v1/)" },
    { flags: '--tls-cert <file>', description: 'certificate of this agent, for etcd and controllers' },
    { flags: '--tls-key <file>', description: 'its key' },
    { flags: '--tls-ca <file>', description: 'certificate of the authority that signed theirs' },
    {
      flags: '--etcd-cert <file>',
      description: 'certificate for etcd, if it is not --tls-cert: an etcd of somebody else',
    },
    { flags: '--etcd-key <file>', description: 'its key' },
    { flags: '--etcd-ca <file>', description: "certificate of the authority that signed etcd's" },
    { flags: '--log-level <level>', description: `${logLevels.join(', ')} (default: info)` },
  ],
  examples: [
    'Examples:',
    '  overlay-agent --etcd http://10.0.0.1:2379',
    '  overlay-agent --config /etc/overlay/agent.yaml',
    '  overlay-agent --etcd https://a:2379,https://b:2379 --vtep-interface eth1 --tls-cert node.crt --tls-key node.key --tls-ca ca.crt',
  ].join('\n'),
}

/** Who was cut short while the pair was renewed finds it whole again. */
function readOwnTls(files: TlsFiles): Tls | undefined {
  const { cert, key } = files
  if (cert && key) settlePair({ cert, key })
  return readTls(files)
}

function readEtcdTls(files: TlsFiles): Tls | undefined {
  try {
    return readTls(files)
  } catch (error) {
    const refused = OverlayError.from(error)
    throw refused.saying(refused.message.replaceAll('--tls-', '--etcd-'))
  }
}

function parsed<T>(parse: (text: string) => T) {
  return z.string().transform((text, context) => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: OverlayError.from(error).message })
      return z.NEVER
    }
  })
}

function absolutePath() {
  return z.string().startsWith('/', 'must be an absolute path')
}

/** A flag is true; the environment and a file may say it in words. */
function yesOrNo() {
  return z.union([z.boolean(), z.stringbool()], 'must be true or false')
}

function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z.coerce.number(message).int(message).min(least, message).max(most, message)
}
