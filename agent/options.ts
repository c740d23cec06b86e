/** The agent's flags: DESIGN.md, "Programs and their flags". */
import { hostname } from 'node:os'
import { z } from 'zod'
import { OverlayError } from '../lib/errors.ts'
import { parseIp } from '../lib/ip.ts'
import { logLevels } from '../lib/log.ts'
import { parseIfname, parseName } from '../lib/names.ts'
import type { ProgramSpec } from '../lib/options.ts'
import { defaultPrefix } from '../store/keys.ts'

export type AgentOptions = z.infer<typeof schema>

const schema = z
  .object({
    etcd: z
      .string('is required: the URLs of etcd, for example http://10.0.0.1:2379')
      .transform((text) => text.split(',')),
    // A hostname may have a domain and capitals; a node's name is one DNS label.
    node: parsed(parseName).prefault(() => hostname().split('.')[0]?.toLowerCase() ?? ''),
    vtepAddress: parsed(parseIp).optional(),
    vtepInterface: parsed(parseIfname).optional(),
    vxlanPort: wholeNumber(1, 65_535).default(4789),
    socket: z.string().startsWith('/', 'must be an absolute path').max(100).default('/run/overlay/agent.sock'),
    stateDir: z.string().startsWith('/', 'must be an absolute path').default('/var/lib/overlay/agent'),
    sessionTtl: wholeNumber(5, 3_600).default(30),
    prefix: z.string().startsWith('/', 'must begin with a slash, for example /overlay/v1/').default(defaultPrefix),
    tlsCert: z.string().optional(),
    tlsKey: z.string().optional(),
    tlsCa: z.string().optional(),
    logLevel: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
  })
  .refine(({ vtepAddress, vtepInterface }) => !(vtepAddress && vtepInterface), {
    path: ['vtepAddress'],
    message: 'give either --vtep-address or --vtep-interface',
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
    { flags: '--state-dir <dir>', description: "the agent's own files (default: /var/lib/overlay/agent)" },
    { flags: '--session-ttl <seconds>', description: 'so long after its death an agent counts as live (default: 30)' },
    { flags: '--prefix <prefix>', description: "where the cluster's keys are in etcd (default: /overlay/v1/)" },
    { flags: '--tls-cert <file>', description: 'certificate of this agent, for etcd and controllers' },
    { flags: '--tls-key <file>', description: 'its key' },
    { flags: '--tls-ca <file>', description: 'certificate of the authority that signed theirs' },
    { flags: '--log-level <level>', description: `${logLevels.join(', ')} (default: info)` },
  ],
  examples: [
    'Examples:',
    '  overlay-agent --etcd http://10.0.0.1:2379',
    '  overlay-agent --etcd https://a:2379,https://b:2379 --vtep-interface eth1 --tls-cert node.crt --tls-key node.key --tls-ca ca.crt',
  ].join('\n'),
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

function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z.coerce.number(message).int(message).min(least, message).max(most, message)
}
