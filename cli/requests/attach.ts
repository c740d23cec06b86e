/** The requests of `attach` and `detach`, from their options. */
import { isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { Faults } from '../../lib/faults.ts'
import { parseName } from '../../lib/names.ts'
import { quote } from '../../lib/quote.ts'
import { checkAttach, gwPriorityRange } from '../../lib/requests/attach.ts'
import { checkSandbox } from '../../lib/sandbox.ts'
import { AttachRequest, type DetachRequest, type Init } from '../../proto/index.ts'
import type { EndpointOptions } from '../endpoint-options.ts'
import { checkGiven, labelsOf, refuseFaults, wholeNumber } from './wrong-usage.ts'

/** The options that name a sandbox; exactly one of them. Values as they were written. */
export interface SandboxOptions {
  readonly netns?: string
  readonly pid?: string
}

export interface AttachOptions extends SandboxOptions, EndpointOptions {
  readonly node?: string
  readonly label?: readonly string[]
}

export interface DetachOptions extends SandboxOptions {
  readonly network?: string
  readonly node?: string
}

/** What one endpoint is asked for. */
export const endpointFlags = {
  addresses: '--ip',
  ip6: '--ip6',
  name: '--name',
  mac: '--mac',
  ifname: '--ifname',
  gwPriority: '--gw-priority',
}

const flags = {
  ...endpointFlags,
  network: 'NETWORK',
  node: '--node',
  labels: '--label',
  netns: '--netns',
  pid: '--pid',
  sandbox: '--netns',
}

/** 4194304 is the kernel's PID_MAX_LIMIT on 64-bit machines. */
const pids = { range: '1 to 4194304', least: 1, most: 4_194_304 }

/** @throws UsageError with every fault of the request. */
export function attachRequest(network: string, options: AttachOptions): AttachRequest {
  const faults = new Faults()
  if (options.netns === undefined && options.pid === undefined)
    faults.add('attach needs a sandbox: give --netns PATH or --pid N')
  if (options.node !== undefined) faults.try('node', () => parseName(options.node ?? ''))
  const request = AttachRequest.create({
    network,
    node: options.node ?? '',
    ...sandboxOf(faults, options),
    ...endpointFields(faults, options),
    labels: labelsOf(faults, options.label),
  })
  checkAttach(faults, request)
  refuseFaults(faults, flags)
  return request
}

/** @throws UsageError with every fault of the request. */
export function detachRequest(target: string, options: DetachOptions): Init<DetachRequest> {
  const faults = new Faults()
  if (options.node !== undefined) faults.try('node', () => parseName(options.node ?? ''))
  const given = options.netns !== undefined || options.pid !== undefined
  if (given && options.network !== undefined)
    faults.add(`--network ${options.network}: with --netns or --pid, ${target} is the network: leave it out`)
  else if (options.network !== undefined) faults.try('--network', () => parseName(options.network ?? ''))
  const sandbox = sandboxOf(faults, options)
  refuseFaults(faults, flags)
  const node = options.node ?? ''
  return given ? { network: target, ...sandbox, node } : { endpointId: target, network: options.network ?? '', node }
}

/** What is asked of an endpoint, as a request has it. */
export function endpointFields(faults: Faults, { name, ip = [], ip6, mac, ifname, gwPriority }: EndpointOptions) {
  for (const [field, text] of Object.entries({ name, mac, ifname })) checkGiven(faults, field, text)
  const second = ip6 === undefined || isIPv6Text(faults, ip6) ? ip6 : undefined
  const priorities = { range: gwPriorityRange, least: -0x7f_ff_ff_ff }
  return {
    addresses: second === undefined ? [...ip] : [...ip, second],
    name: name ?? '',
    mac: mac ?? '',
    ifname: ifname ?? '',
    gwPriority: wholeNumber(faults, 'gwPriority', gwPriority, priorities) ?? 0,
  }
}

function isIPv6Text(faults: Faults, text: string): boolean {
  const is = isIPv6(text) && !text.includes('%')
  if (!is) faults.add(`ip6: ${quote(text)} is not an IPv6 address (for example fd00::7)`)
  return is
}

/** None when it has faults, or nothing is given. */
function sandboxOf(faults: Faults, { netns, pid }: SandboxOptions): Pick<AttachRequest, 'netns' | 'pid'> {
  if (netns !== undefined && pid !== undefined) faults.add('--netns and --pid both name the sandbox: give one of them')
  const path = netns === undefined ? undefined : pathOf(faults, netns)
  const number = wholeNumber(faults, 'pid', pid, pids)
  if (path === undefined) return number === undefined ? {} : { pid: number }
  faults.try('sandbox', () => checkSandbox({ netns: path }))
  return { netns: path }
}

/** A bare name is one of `ip netns`, as there; another path becomes absolute. */
function pathOf(faults: Faults, text: string): string | undefined {
  if (text !== '' && text !== '.' && text !== '..') return text.includes('/') ? resolve(text) : `/run/netns/${text}`
  faults.add(`netns: ${quote(text)} is not a network namespace (for example c1 or /proc/4711/ns/net)`)
  return undefined
}
