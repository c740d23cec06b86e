/** Texts that a request may have in it: what means something, what nearly does, and what should mean nothing. */
import fc from 'fast-check'

/** What there is in the lab that requests may name. */
export interface Surroundings {
  readonly networks: readonly string[]
  readonly nodes: readonly string[]
  /** Paths of namespaces that requests may plug into. */
  readonly sandboxes: readonly string[]
  readonly addresses: readonly string[]
}

const subnets = [
  ['10.77.0.0/16', '10.78.1.0/24', '10.79.0.0/30', '10.80.0.0/24', '10.81.0.0/16', '172.30.0.0/12', '0.0.0.0/0'],
  ['fd00:77::/64', 'fd00:80::/64', 'fd00:81::/48', '::/0'],
].flat()
const nearly = [
  ['10.77.0.7/24', '10.77.0.0/33', '10.77.0.0/-1', '10.77.0.0/024', '10.77.0.0/24/24', '10.77.0.0', '/24', '10.77/16'],
  ['256.0.0.1/8', '010.0.0.0/8', '1.2.3', 'fd00::/129', 'fd00:::/64', '::ffff:10.0.0.1/120', 'fe80::1%eth0/64'],
  ['224.0.0.0/4', '127.0.0.0/8', '169.254.0.0/16', 'ff02::/16', '10.77.0.0/99999999999999999999'],
].flat()
const addresses = ['10.77.0.7', '10.77.0.1', '10.77.255.255', 'fd00:77::7', '0.0.0.0', '255.255.255.255', '::', '::1']
const macs = ['02:42:0a:00:09:07', 'ff:ff:ff:ff:ff:ff', '00:00:00:00:00:00', '02-42-0a-00-09-07', '2:42:a:0:9:7']
const odd = [
  ['', ' ', '.', '..', '../nodes/h1', '/', '//', 'a/b', 'a\0b', '\0', '\u{7f}', 'a\nb', '\r\n', '\t', '\u001b[31m'],
  ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'null', 'undefined', 'NaN', '-1', '0', '1e309', '[]'],
  ['é', 'e\u0301', '😀', '\u202e', '\u200b', '\ufeff', '\uffff', 'İ', 'ß', '%s%n', '$(id)', '`id`', '; rm -rf', '*'],
  ['-f', '--help', 'eth0', 'eth1', 'lo', 'ovbr1', 'all', 'default', 'label=a', 'name=', 'until=1h', 'node=h1'],
  ['2026-01-01T00:00:00Z', '9999-99-99', '10m', 'true', 'false', '{}', '{"a":', '"', "'", '\\', '\\u0000'],
].flat()
const paths = [
  ['/run/netns/not-there', '/etc/passwd', '/', '/dev/null', '/dev/zero', '/proc/self', '/run', '/tmp/../etc/passwd'],
  ['relative', './x', '/dev/tty', '/proc/self/ns/mnt', '/proc/self/ns/net', '/proc/1/ns/net', '/proc/self/exe'],
].flat()

/** Long ones are rare: a request has many texts, and all of it at most 4 MiB. */
const long = fc.constantFrom(63, 64, 255, 4_096, 70_000, 1_000_000).map((length) => 'x'.repeat(length))

/** Any text that can be encoded. */
function texts(there: Surroundings): fc.Arbitrary<string> {
  const { networks, nodes, sandboxes } = there
  const known = [...networks, ...nodes, ...sandboxes, ...there.addresses]
  return fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...known) },
    { weight: 10, arbitrary: fc.constantFrom(...subnets, ...addresses, ...macs) },
    { weight: 10, arbitrary: fc.constantFrom(...nearly) },
    { weight: 20, arbitrary: fc.constantFrom(...odd, ...paths) },
    { weight: 10, arbitrary: fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/) },
    { weight: 5, arbitrary: fc.stringMatching(/^[0-9a-f]{8,32}$/) },
    { weight: 10, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
    { weight: 1, arbitrary: long },
  )
}

/**
 * The texts that a field of this name is likely to want: so that some requests
 * get past the first check.
 */
export function textsFor(
  field: string,
  { tame, there }: { readonly tame: boolean; readonly there: Surroundings },
): fc.Arbitrary<string> {
  const any = texts(there)
  const fitting = fit(field, there, tame)
  if (tame) return fitting ?? fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/)
  return fitting ? fc.oneof({ weight: 3, arbitrary: fitting }, { weight: 2, arbitrary: any }) : any
}

function fit(field: string, { networks, nodes, sandboxes, addresses: given }: Surroundings, tame: boolean) {
  switch (field) {
    case 'network':
      return fc.constantFrom(...networks)
    case 'name':
      return fc.oneof(fc.constantFrom(...networks, ...nodes, ''), fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/))
    case 'node':
      return fc.constantFrom(...nodes, '')
    case 'netns':
    case 'path':
      return fc.constantFrom(...sandboxes)
    case 'ifname':
      return fc.oneof(fc.constant(''), fc.stringMatching(/^[a-z]{1,4}[0-9]$/))
    case 'cidr':
      return fc.constantFrom(...subnets)
    case 'address':
    case 'addresses':
      return fc.constantFrom(...given, ...(tame ? [] : addresses))
    case 'endpointId':
    case 'id':
      return fc.oneof(fc.constantFrom(...networks), fc.stringMatching(/^[0-9a-f]{4,5}$/))
    case 'mac':
      return fc.constantFrom('', ...(tame ? macs.slice(0, 1) : macs))
    default:
      return undefined
  }
}
