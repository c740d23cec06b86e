/** Which of the host's addresses VXLAN packets come from and go to. */
import { OverlayError } from '../../lib/errors.ts'
import { type Family, familyOf, type Ip, ipValue, parseIp } from '../../lib/ip.ts'
import type { Kernel, UnderlayInterface } from '../kernel/kernel.ts'

export interface VtepChoice {
  readonly address?: Ip | undefined
  readonly interface?: string | undefined
}

export interface Vtep {
  readonly address: Ip
  /** MTU of the interface that has it, in bytes. */
  readonly mtu: number
}

/** Documentation addresses (RFC 5737, RFC 3849): where only a default route leads. */
const elsewhere = [parseIp('192.0.2.1'), parseIp('2001:db8::1')]

/**
 * The address that the flags name, or else the one that reaches the other
 * nodes, or else the default route's; of that family, if one is given.
 * @throws OverlayError `failed_precondition`, naming the flag to set.
 */
export function chooseVtep(
  kernel: Pick<Kernel, 'underlays' | 'sourceTowards'>,
  choice: VtepChoice,
  others: readonly Ip[],
  family?: Family,
): Vtep {
  const interfaces = kernel.underlays().filter(({ down }) => !down)
  if (choice.address) return ofAddress(interfaces, choice.address, '--vtep-address')
  if (choice.interface) return ofInterface(interfaces, choice.interface)
  for (const destination of [...others, ...elsewhere]) {
    if (family !== undefined && familyOf(destination) !== family) continue
    const source = kernel.sourceTowards(destination)
    if (source && !isLocalOnly(source)) return ofAddress(interfaces, source, `the route to ${destination}`)
  }
  throw new OverlayError(
    'failed_precondition',
    'no address that other hosts could reach: there is no route to another node and no default route; give --vtep-address or --vtep-interface',
  )
}

/**
 * The same for an agent that starts on a node that is `registered` with an address:
 * an interface that is only down will be up again.
 * @throws as `chooseVtep`
 */
export function vtepAtStart(
  kernel: Pick<Kernel, 'underlays' | 'sourceTowards'>,
  choice: VtepChoice,
  others: readonly Ip[],
  registered: Ip | undefined,
): Vtep {
  const { address = registered, interface: wished } = choice
  const holder = registered && kernel.underlays().find(({ addresses }) => addresses.includes(registered))
  const isWished = address === registered && (wished === undefined || wished === holder?.name)
  return registered && holder?.down && isWished
    ? { address: registered, mtu: holder.mtu }
    : chooseVtep(kernel, choice, others)
}

export interface VtepReview {
  readonly vtep: Vtep
  /** What is amiss with it, for people. */
  readonly problem: string | undefined
}

/**
 * The same for an agent that runs with one: it stays as long as the flags and the
 * host allow, and where there is no better one. An interface that is only down
 * will be up again. The family never changes: every entry of every network hangs
 * on it.
 */
export function reviewVtep(
  kernel: Pick<Kernel, 'underlays' | 'sourceTowards'>,
  choice: VtepChoice,
  others: readonly Ip[],
  before: Vtep,
): VtepReview {
  const { address } = before
  const holder = kernel.underlays().find(({ addresses }) => addresses.includes(address))
  const kept = { address, mtu: holder?.mtu ?? before.mtu }
  const isWished = choice.interface === undefined || choice.interface === holder?.name
  if (holder && isWished && !choice.address) {
    const problem = holder.down ? `interface ${holder.name}, which has the VTEP address ${address}, is down` : undefined
    return { vtep: kept, problem }
  }
  const where = holder ? ` (${holder.name})` : ', which no interface of this host has'
  try {
    const vtep = chooseVtep(kernel, choice, others, familyOf(address))
    if (familyOf(vtep.address) === familyOf(address)) return { vtep, problem: undefined }
    const problem = `${vtep.address} could be the VTEP address, but a running agent does not change between IPv4 and IPv6: restart it; until then it stays ${address}${where}`
    return { vtep: kept, problem }
  } catch (error) {
    return { vtep: kept, problem: `${OverlayError.from(error).message}; the VTEP address stays ${address}${where}` }
  }
}

function ofAddress(interfaces: readonly UnderlayInterface[], address: Ip, from: string): Vtep {
  if (isLocalOnly(address))
    throw new OverlayError(
      'failed_precondition',
      `${from} ${address}: other hosts cannot reach it; name an address that they reach (--vtep-address or --vtep-interface)`,
    )
  const found = interfaces.find(({ addresses }) => addresses.includes(address))
  if (found) return { address, mtu: found.mtu }
  const known = interfaces.flatMap(({ name, addresses }) => addresses.map((ip) => `${ip} (${name})`)).join(', ')
  throw new OverlayError(
    'failed_precondition',
    `${from} ${address}: no interface of this host that is up has it; it has ${known || 'none'}`,
  )
}

function ofInterface(interfaces: readonly UnderlayInterface[], name: string): Vtep {
  const found = interfaces.find((candidate) => candidate.name === name)
  const usable = found?.addresses.filter((address) => !isLocalOnly(address)) ?? []
  const address = usable.find((ip) => familyOf(ip) === 4) ?? usable[0]
  if (found && address) return { address, mtu: found.mtu }
  const known = interfaces.map((candidate) => candidate.name).join(', ')
  const fault = found ? 'has no address that other hosts could reach' : 'is not up or not there'
  throw new OverlayError('failed_precondition', `--vtep-interface ${name}: ${fault}; up are ${known || 'none'}`)
}

/** Loopback, wildcard or link-local: means nothing to another host. */
function isLocalOnly(address: Ip): boolean {
  if (familyOf(address) === 4) return /^(127\.|0\.|169\.254\.)/.test(address)
  const value = ipValue(address)
  return value <= 1n || value >> 118n === 0xfe80n >> 6n
}
