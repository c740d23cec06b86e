/** What of an object is not as it should be. Pure. */
import { cidrAt, familyOf, type Ip, ipValue, parseIp } from '../../lib/ip.ts'
import type { AnyItem, Difference, InsideRoutes, Item, ObservedInterface, SandboxInterface, Veth } from './item.ts'

/**
 * How the object that was found, which has the desired one's id, differs from it,
 * as far as can be seen; empty when a put would change nothing.
 */
export function differences(actual: AnyItem, desired: Item): readonly Difference[] {
  const faults = 'faults' in actual && actual.faults ? actual.faults : none
  if (actual.kind !== desired.kind) return [{ what: 'kind', wanted: desired.kind, found: actual.kind }]
  const fields: Difference[] = []
  for (const [field, wanted] of Object.entries(desired)) {
    const found: unknown = Reflect.get(actual, field)
    if (field !== 'inside' && found !== wanted)
      fields.push({ what: field, wanted: textOf(wanted), found: textOf(found) })
  }
  const inside = actual.kind === 'veth' && desired.kind === 'veth' ? insideDifferences(actual.inside, desired) : none
  return fields.length + inside.length === 0 ? faults : [...fields, ...faults, ...inside]
}

/**
 * How a veth's other end is not as it is to be kept: up, with its MAC and MTU, our
 * own addresses, each with its prefix length alone, and the routes that come of
 * them. What else a workload has there is its own. A sandbox that could not be
 * looked into does not differ.
 */
export function insideDifferences(
  actual: ObservedInterface | SandboxInterface | undefined,
  { mtu, inside }: Veth,
): readonly Difference[] {
  if (!actual) return none
  const addresses = inside.addresses.flatMap((wanted) => {
    const there = actual.addresses.filter((one) => addressOf(one) === addressOf(wanted))
    return differs('address inside', wanted, there.join(' '))
  })
  if ('netns' in actual)
    return [
      ...addresses,
      ...differs('mac inside', inside.mac, actual.mac),
      ...differs('default routes inside', defaultsText(inside), defaultsText(actual)),
    ]
  return [
    ...differs('state inside', 'up', actual.up ? 'up' : 'down'),
    ...differs('mac inside', inside.mac, actual.mac),
    ...differs('mtu inside', String(mtu), String(actual.mtu)),
    ...addresses,
    // Without their addresses they cannot be there either.
    ...(actual.routes && actual.up && addresses.length === 0 ? routeDifferences(actual.routes, inside) : none),
  ]
}

/**
 * That a veth's other end has another name than it was given. It does not count as
 * a difference: the workload may have chosen it, and many kernels rename only what
 * is down, so that to take the name away again would interrupt the traffic.
 */
export function renaming(actual: AnyItem | undefined, desired: Item): readonly Difference[] {
  if (actual?.kind !== 'veth' || desired.kind !== 'veth' || !actual.inside) return none
  return differs('ifname inside', desired.inside.ifname, actual.inside.ifname)
}

/** The subnets that an interface with these addresses reaches by itself, ADDRESS/PREFIX. */
export function onLinkSubnets(addresses: readonly string[]): readonly string[] {
  const subnets = addresses.flatMap((text) => {
    const address = parseIp(addressOf(text))
    const [family, prefix] = [familyOf(address), Number(text.split('/')[1])]
    // An address alone is no subnet.
    return prefix >= (family === 4 ? 32 : 128) ? [] : [cidrAt(family, ipValue(address), prefix).text]
  })
  return [...new Set(subnets)]
}

/** The default routes that are missing, and those of ours that are not wanted. */
export function defaultRouteChanges(routes: InsideRoutes, { gateways, gwPriority }: SandboxInterface) {
  const isWanted = (gateway: Ip, priority: number | undefined) => priority === gwPriority && gateways.includes(gateway)
  const kept = new Set<Ip>()
  const surplus = routes.defaults.filter(({ gateway, gwPriority: priority }) => {
    // Of two that are as wanted one goes.
    if (!isWanted(gateway, priority) || kept.has(gateway)) return true
    kept.add(gateway)
    return false
  })
  return { missing: gateways.filter((gateway) => !kept.has(gateway)), surplus }
}

const none: readonly never[] = []

function routeDifferences(routes: InsideRoutes, inside: SandboxInterface): readonly Difference[] {
  const onLink = onLinkSubnets(inside.addresses).filter((subnet) => !routes.onLink.includes(subnet))
  const { missing, surplus } = defaultRouteChanges(routes, inside)
  return [
    ...onLink.map((subnet) => ({ what: 'route inside', wanted: subnet, found: '' })),
    ...missing.map((gateway) => ({
      what: 'default route inside',
      wanted: defaultText(gateway, inside.gwPriority),
      found: '',
    })),
    ...surplus.map(({ gateway, gwPriority }) => ({
      what: 'default route inside',
      wanted: '',
      found: defaultText(gateway, gwPriority),
    })),
  ]
}

function defaultText(gateway: Ip, priority: number | undefined): string {
  return `${gateway} priority ${priority ?? 'none'}`
}

function defaultsText({ gateways, gwPriority }: SandboxInterface): string {
  return gateways.map((gateway) => defaultText(gateway, gwPriority)).join(' ')
}

function differs(what: string, wanted: string, found: string): readonly Difference[] {
  return wanted === found ? none : [{ what, wanted, found }]
}

function addressOf(text: string): string {
  return text.split('/')[0] ?? ''
}

function textOf(value: unknown): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
}
