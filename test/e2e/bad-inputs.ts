/** What overlayctl has to refuse, and with which words. */

/** What there is, that a wrong command may name. */
export interface Surroundings {
  /** An endpoint of network `web` (10.0.9.0/24) on h1, with the name `taken` and the interface eth0. */
  readonly address: string
  readonly id: string
  /** Paths of network namespaces: that endpoint's, one with an eth0 of somebody else's, and an empty one. */
  readonly attached: string
  readonly busy: string
  readonly empty: string
}

/** Arguments, exit code, and what the line on standard error says. */
export type BadInput = readonly [args: readonly string[], exitCode: 1 | 2, says: RegExp]

const create = (...args: readonly string[]) => ['create', ...args]

/** Of `create`, whatever there is but for network `web`. */
const badNetworks: readonly BadInput[] = [
  [create('x', '--subnet', '10.0.20.7/24'), 2, /10\.0\.20\.7\/24 has host bits set: did you mean 10\.0\.20\.0\/24\?/],
  [create('x', '--subnet', '10.0.9.128/25'), 1, /10\.0\.9\.128\/25 overlaps 10\.0\.9\.0\/24 of network web/],
  [create('x', '--subnet', '10.0.0.0/12'), 1, /overlaps 10\.0\.9\.0\/24 of network web/],
  [create('x', '--subnet', '192.168.200.0/24'), 1, /overlaps 192\.168\.200\.1\/32 of node h1's VTEP/],
  [create('web', '--subnet', '10.0.20.0/24'), 1, /network web exists already/],
  // All faults at once.
  [create('Bad_Name', '--subnet', '10.0.20.7/24'), 2, /"Bad_Name" is not a name.*did you mean 10\.0\.20\.0\/24\?/],
  [create('a/b', '--subnet', '10.0.20.0/24'), 2, /"a\/b" is not a name/],
  [create('../networks', '--subnet', '10.0.20.0/24'), 2, /is not a name/],
  [create('x'.repeat(64), '--subnet', '10.0.20.0/24'), 2, /is not a name: use 1 to 63/],
  [create('', '--subnet', '10.0.20.0/24'), 2, /must not be empty/],
  [create('x', '--subnet', 'ten'), 2, /--subnet: "ten" is not a subnet/],
  [create('x', '--subnet', '10.0.20.0/99'), 2, /prefix length is at most 32/],
  [create('x', '--subnet', '10.0.20.0/99999999999999999999'), 2, /10\.0\.20\.0\/9999/],
  [create('x', '--subnet', '10.0.20.0/31'), 2, /too small for a gateway and an endpoint/],
  [create('x', '--subnet', '224.0.0.0/24'), 2, /reserved \(multicast\)/],
  [create('x', '--subnet', '10.0.20.0/24', '--subnet', '10.0.21.0/24'), 2, /at most one IPv4 and one IPv6/],
  [create('x', '--subnet', '10.0.20.0/24', '--gateway', '10.0.21.1'), 2, /10\.0\.21\.1 is not in 10\.0\.20\.0\/24/],
  [create('x', '--subnet', '10.0.20.0/24', '--gateway', '10.0.20.255'), 2, /is the broadcast address/],
  [create('x', '--subnet', '10.0.20.0/24', '--gateway', 'fd00::1'), 2, /no IPv6 subnet for fd00::1/],
  [
    create('x', '--subnet', '10.0.20.0/24', '--ip-range', '10.0.21.0/25'),
    2,
    /10\.0\.21\.0\/25 is not in 10\.0\.20\.0\/24/,
  ],
  [create('x', '--subnet', '10.0.20.0/24', '--aux-address', 'a=10.0.20.1'), 2, /10\.0\.20\.1.*gateway/],
  [create('x', '--subnet', '10.0.20.0/24', '--vni', '16777216'), 2, /--vni: 16777216 is not a VNI/],
  [create('x', '--config-from', 'nope'), 1, /no network nope/],
  [create('x', '--subnet', '10.0.20.0/24', '--mtu', '99999999999'), 2, /--mtu: "99999999999"/],
  [create('x', '--subnet', 'fd00:20::/64', '--mtu', '1000'), 2, /1280/],
  [create('x', '--subnet', '10.0.20.0/24', '--label', `big=${'x'.repeat(100_000)}`), 2, /label/],
  [create('x', '--subnet', '10.0.20.0/24', '--opt', 'nothing'), 2, /is not KEY=VALUE/],
  [create('x', '--subnet', '10.0.20.0/24', '--opt', 'encrypted'), 2, /is not KEY=VALUE/],
  [create('x', '--subnet', '10.0.20.0/24', '--opt', 'encrypted='), 2, /--opt: encrypted: there is no encryption/],
  [create('x', '--driver', 'overlay'), 2, /leave --driver out/],
  [create('x', '--sbnet', '10.0.20.0/24'), 2, /unknown option '--sbnet': Did you mean --subnet\?/],
]

/** Of networks that are there. */
const badUpdates: readonly BadInput[] = [
  [['update', 'web', '--subnet', '10.0.9.0/25'], 1, /10\.0\.9\.0\/25 is smaller than 10\.0\.9\.0\/24/],
  [['update', 'web', '--subnet', '10.0.8.0/21'], 1, /10\.0\.8\.0\/21 overlaps 10\.0\.10\.0\/24 of network other/],
  [['update', 'web', '--subnet', 'fd00:9::/64'], 1, /IPv6/],
  [['update', 'web', '--ip-range', '10.0.10.0/25'], 1, /10\.0\.10\.0\/25 is not in 10\.0\.9\.0\/24/],
  [['update', 'web', '--mtu', '1451'], 1, /1451.*h1.*1450/],
  [['update', 'web', '--label', 'x y=1', '--mtu', '600000'], 2, /--label: "x y" is not a key.*--mtu: 600000/],
  [['update', 'web'], 2, /say what to change/],
  [['update', 'nope', '--mtu', '1400'], 1, /no network nope/],
]

/** Of everything else. */
function badCalls({ address, id, attached, busy, empty }: Surroundings): readonly BadInput[] {
  const attach = (network: string, ...flags: readonly string[]) => ['attach', network, ...flags]
  const web = (...flags: readonly string[]) => attach('web', '--netns', empty, ...flags)
  return [
    [attach('nope', '--netns', empty), 1, /no network "nope".*overlayctl ls/],
    [attach('a/b', '--netns', empty), 2, /"a\/b" is not a name/],
    [attach('web'), 2, /give --netns PATH or --pid N/],
    [attach('web', '--netns', empty, '--pid', '1'), 2, /--netns and --pid/],
    [attach('web', '--netns', '/run/netns/not-there'), 1, /\/run\/netns\/not-there/],
    [attach('web', '--netns', '/etc/passwd'), 1, /\/etc\/passwd.* namespace/],
    [attach('web', '--netns', '/etc'), 1, /\/etc.* namespace/],
    [attach('web', '--pid', '4194304'), 1, /4194304/],
    [attach('web', '--pid', '99999999999'), 2, /--pid/],
    [attach('web', '--netns', busy, '--ifname', 'eth0'), 1, /has an interface eth0 already.*--ifname/],
    [attach('other', '--netns', attached, '--ifname', 'eth0'), 1, /has eth0 already, attached to network web/],
    [web('--ifname', 'much-too-long-name'), 2, /is not an interface name/],
    [web('--ifname', 'a/b'), 2, /is not an interface name/],
    [web('--ifname', 'lo'), 2, /loopback/],
    [web('--name', 'taken'), 1, /name "taken" is taken in web by endpoint/],
    [web('--name', 'a/b'), 2, /"a\/b" is not a name/],
    [web('--ip', address), 1, new RegExp(`${address} is taken in web by endpoint ${id} on node h1`)],
    [web('--ip', '10.0.9.1'), 1, /10\.0\.9\.1 is taken in web by the gateway/],
    [web('--ip', '10.0.10.7'), 1, /10\.0\.10\.7 is not in web.*10\.0\.9\.0\/24/],
    [web('--ip', '10.0.9.0'), 1, /10\.0\.9\.0 is not for hosts/],
    [web('--ip', '10.0.9.255'), 1, /10\.0\.9\.255 is not for hosts/],
    [web('--ip', '10.0.9.999'), 2, /--ip: "10\.0\.9\.999" is not an IP address/],
    [web('--ip', '10.0.9.7', '--ip', '10.0.9.8'), 2, /at most one IPv4/],
    [web('--ip6', 'fd00:9::7'), 1, /fd00:9::7 is not in web/],
    [web('--mac', '01:00:5e:00:00:01'), 2, /01:00:5e:00:00:01/],
    [web('--mac', 'nothing'), 2, /--mac: "nothing"/],
    [web('--gw-priority', '501'), 2, /--gw-priority: 501/],
    [web('--node', 'h9'), 1, /no node h9/],
    [['detach', 'not-an-id'], 1, /there is no endpoint not-an-id on node h1/],
    [['detach', 'ffffffff'], 1, /no endpoint ffffffff on node h1/],
    [['detach', 'web', '--netns', empty], 1, /no attachment of/],
    [['rm', 'web'], 1, new RegExp(`web still has .*${id} \\(taken\\) on h1.*detach`)],
    [['rm', 'nope'], 1, /no network nope/],
    [['inspect', 'nope'], 1, /no network nope/],
    [['endpoint', 'inspect', 'zz'], 1, /no endpoint zz.*overlayctl endpoint ls/],
    [['endpoint', 'ls', '--network', 'nope'], 1, /no network nope/],
    [['node', 'inspect', 'h9'], 1, /no node h9/],
    [['node', 'rm', 'h1'], 1, /node h1 is alive.*--force/],
    [['prune'], 1, /give --yes/],
    [['run', '--network', 'nope', '--', 'true'], 1, /no network "nope"/],
    [['run', '--', 'true'], 2, /--network/],
    [['run', '--network', 'web', '--network', 'web', '--', 'true'], 2, /web is given twice/],
    [['ipam', 'release', 'web', address], 1, new RegExp(`${address}.*${id}`)],
    [['ipam', 'check', '--yes'], 2, /--yes: without --repair/],
    [['ipam', 'show', 'nope'], 1, /no network nope/],
    [['frobnicate'], 2, /unknown command 'frobnicate'/],
    [['ls', '-o', 'xml'], 2, /-o: "xml" is none of table, wide, json, yaml, name/],
    [['ls', '--timeout', '0'], 2, /--timeout: "0"/],
    [['ls', '--controller', '192.168.200.1:1'], 1, /controller at 192\.168\.200\.1:1 .*start overlay-controller/],
    [['ls', '--controller', 'nowhere'], 2, /--controller: "nowhere" is not HOST:PORT/],
    [
      attach('web', '--netns', empty, '--agent', '/run/nobody.sock'),
      1,
      /no socket \/run\/nobody\.sock: start overlay-agent/,
    ],
  ]
}

export const badInputs = (surroundings: Surroundings): readonly BadInput[] => [
  ...badNetworks,
  ...badUpdates,
  ...badCalls(surroundings),
]
