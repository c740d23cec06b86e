import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { CreateNetworkRequest, type Init, Network } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { web } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())

const sent: [line: string, request: Init<CreateNetworkRequest>][] = [
  ['create', {}],
  ['create web', { name: 'web' }],
  ['create --subnet 10.0.9.0/24 web', { name: 'web', subnets: [{ cidr: '10.0.9.0/24' }] }],
  [
    'create web --subnet 10.0.9.0/24 --subnet=fd00:9::/64',
    { name: 'web', subnets: [{ cidr: '10.0.9.0/24' }, { cidr: 'fd00:9::/64' }] },
  ],
  [
    'create --gateway fd00:9::9 --subnet 10.0.9.0/24 --subnet fd00:9::/64 --gateway 10.0.9.254',
    {
      subnets: [
        { cidr: '10.0.9.0/24', gateway: '10.0.9.254' },
        { cidr: 'fd00:9::/64', gateway: 'fd00:9::9' },
      ],
    },
  ],
  ['create --mtu 1300', { mtu: 1300 }],
  [
    'create --label a=b --label c=d=e --label empty= --label bare',
    { labels: { a: 'b', c: 'd=e', empty: '', bare: '' } },
  ],
  ['create --opt x=y', { options: { x: 'y' } }],
  [
    'create --subnet 10.0.9.0/24 --subnet fd00:9::/64 --ip-range fd00:9::/80 --ip-range 10.0.9.128/25',
    {
      subnets: [
        { cidr: '10.0.9.0/24', ipRange: '10.0.9.128/25' },
        { cidr: 'fd00:9::/64', ipRange: 'fd00:9::/80' },
      ],
    },
  ],
  [
    'create --aux-address a=10.0.9.2 --aux-address b=10.0.9.3 --aux-address a=fd00:9::2 --subnet fd00:9::/64 --subnet 10.0.9.0/24',
    {
      subnets: [
        { cidr: 'fd00:9::/64', auxAddresses: { a: 'fd00:9::2' } },
        { cidr: '10.0.9.0/24', auxAddresses: { a: '10.0.9.2', b: '10.0.9.3' } },
      ],
    },
  ],
  ['create --ipv6 --internal --vni 4711', { ipv6: true, internal: true, vni: 4711 }],
  ['create --multicast --eager --allow-overlap', { multicast: true, eager: true, allowOverlap: true }],
  ['create --config-from web web2', { name: 'web2', configFrom: 'web' }],
]

it.each(sent)('%s', async (line, request) => {
  const { calls } = await start()
  const { code, stderr } = await invoke(cluster, line.split(' '))
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(calls).toEqual([{ method: 'networks.create', request: CreateNetworkRequest.create(request) }])
})

const mtus = '576, or 1280 with IPv6, to 65485'

/** What is wrong with the values of a request. */
const faulty: [line: string, ...faults: string[]][] = [
  ['create --mtu abc', `--mtu: "abc" is not a whole number in range: ${mtus}`],
  ['create --mtu -5', `--mtu: "-5" is not a whole number in range: ${mtus}`],
  ['create --mtu 14.5', `--mtu: "14.5" is not a whole number in range: ${mtus}`],
  ['create --mtu 0', `--mtu: "0" is not a whole number in range: ${mtus}`],
  ['create --mtu 4294968696', `--mtu: "4294968696" is not a whole number in range: ${mtus}`],
  ['create --mtu 70000', `--mtu: 70000 is out of range: ${mtus}`],
  ['create --label =value', '--label: "=value" is not KEY=VALUE (for example team=web)'],
  ['create --opt =v', '--opt: "=v" is not KEY=VALUE (for example team=web)'],
  ['create --opt v', '--opt: "v" is not KEY=VALUE (for example team=web)'],
  [
    'create --opt encrypted=',
    '--opt: encrypted: there is no encryption yet, and the network would be in clear: leave it out, and let the underlay be WireGuard or IPsec',
  ],
  ['create --subnet web', '--subnet: "web" is not a subnet (write ADDRESS/PREFIX, for example 10.0.9.0/24)'],
  [
    'create --subnet 10.0.9/24',
    '--subnet: "10.0.9/24" is not a subnet (write ADDRESS/PREFIX, for example 10.0.9.0/24)',
  ],
  ['create --subnet 10.0.9.7/24', '--subnet 10.0.9.7/24 has host bits set: did you mean 10.0.9.0/24?'],
  ['create --gateway here', '--gateway: "here" is not an IP address (for example 10.0.9.7 or fd00::7)'],
  ['create --vni 0', '--vni: "0" is not a whole number in range: 1 to 16777215'],
  ['create --vni 16777216', '--vni: 16777216 is not a VNI (1 to 16777215)'],
  ['create --ip-range all', '--ip-range: "all" is not a range (write ADDRESS/PREFIX, for example 10.0.9.0/24)'],
  [
    'create --subnet 10.3.0.0/24 --ip-range 10.3.0.5/25',
    '--ip-range 10.3.0.5/25 has host bits set: did you mean 10.3.0.0/25?',
  ],
  ['create --aux-address 10.0.9.2', '--aux-address: "10.0.9.2" is not NAME=ADDRESS (for example router=10.0.9.254)'],
  ['create --aux-address a=b', '--aux-address: a: "b" is not an IP address (for example 10.0.9.7 or fd00::7)'],
  ['create --aux-address =10.0.9.2', '--aux-address: "=10.0.9.2" is not NAME=ADDRESS (for example router=10.0.9.254)'],
  ['create --config-from=', '--config-from: must not be empty'],
  ['create --gateway 10.0.9.1', '--gateway: there is no IPv4 subnet for 10.0.9.1: give --subnet with it'],
  [
    'create --subnet 10.0.9.0/24 --gateway fd00::1',
    '--gateway: there is no IPv6 subnet for fd00::1: give --subnet with it',
  ],
  [
    'create --subnet 10.0.9.0/24 --gateway 10.0.9.1 --gateway 10.0.9.2',
    '--gateway: the IPv4 subnet has one gateway, not 10.0.9.1 and 10.0.9.2: give one of them',
  ],
  [
    'create --subnet 10.0.9.0/24 --subnet 10.0.10.0/24 --gateway 10.0.10.1',
    '--subnet: a network takes at most one IPv4 and one IPv6 subnet, not 10.0.9.0/24, 10.0.10.0/24: make another network',
  ],
  [
    'create --ip-range 10.0.9.0/25 --gateway fd00::1 --aux-address a=10.0.9.2',
    '--gateway: there is no IPv6 subnet for fd00::1: give --subnet with it',
    '--ip-range: there is no IPv4 subnet for 10.0.9.0/25: give --subnet with it',
    '--aux-address: there is no IPv4 subnet for a=10.0.9.2: give --subnet with it',
  ],
  [
    'create --subnet 10.0.9.0/24 --aux-address a=10.0.9.2 --aux-address a=10.0.9.3',
    '--aux-address: a: it is 10.0.9.2 already, and cannot be 10.0.9.3 as well',
  ],
  [
    'create X_ --subnet 10.2.0.1/24 --gateway foo --ip-range 1 --aux-address q --mtu 5 --vni 0 --label =x --opt =y',
    '--gateway: "foo" is not an IP address (for example 10.0.9.7 or fd00::7)',
    '--ip-range: "1" is not a range (write ADDRESS/PREFIX, for example 10.0.9.0/24)',
    '--aux-address: "q" is not NAME=ADDRESS (for example router=10.0.9.254)',
    '--vni: "0" is not a whole number in range: 1 to 16777215',
    '--label: "=x" is not KEY=VALUE (for example team=web)',
    '--opt: "=y" is not KEY=VALUE (for example team=web)',
    'NAME: "X_" is not a name: use 1 to 63 lower-case letters, digits and hyphens, a letter or digit first and last',
    '--subnet 10.2.0.1/24 has host bits set: did you mean 10.2.0.0/24?',
    `--mtu: 5 is out of range: ${mtus}`,
  ],
]

it.each(faulty)('%s is wrong usage, all of it told at once, and nothing is asked', async (line, ...faults) => {
  const { calls } = await start()
  const result = await invoke(cluster, line.split(' '))
  expect(result).toEqual({ code: 2, stdout: '', stderr: `overlayctl: ${faults.join('; ')}\n` })
  expect(calls).toEqual([])
})

const refused: [line: string, message: string][] = [
  ['create --internal=yes', "unknown option '--internal=yes'"],
  ['create a b', "too many arguments for 'create'. Expected 1 argument but got 2."],
  ['create --subent 10.0.9.0/24', "unknown option '--subent': Did you mean --subnet?"],
  ['create --subnet', "option '--subnet <cidr>' argument missing"],
  ['create -d overlay', "unknown option '-d': all networks are overlays: leave --driver out"],
  ['create --driver overlay', "unknown option '--driver': all networks are overlays: leave --driver out"],
  ['create --driver=overlay', "unknown option '--driver=overlay': all networks are overlays: leave --driver out"],
]

it.each(refused)('%s is wrong usage', async (line, message) => {
  const { calls } = await start()
  const result = await invoke(cluster, line.split(' '))
  expect(result).toEqual({ code: 2, stdout: '', stderr: `overlayctl: ${message} (see "overlayctl create --help")\n` })
  expect(calls).toEqual([])
})

it.each([
  ['create --wait --dry-run', '--wait: with --dry-run there is nothing to wait for: leave one of them out'],
  [
    'create web -f net.yaml --ip-range 10.0.9.0/25 --mtu 1400 --wait',
    '--file: the file says what the networks are: leave out NAME, --ip-range, --mtu, or write it there',
  ],
])('%s is wrong usage', async (line, message) => {
  expect(await invoke(undefined, line.split(' '))).toEqual({
    code: 2,
    stdout: '',
    stderr: `overlayctl: ${message}\n`,
  })
})

it('says of a dry run that nothing was made, and shows no id', async () => {
  const { calls } = await start()
  expect(await invoke(cluster, ['create', 'web', '--dry-run'])).toEqual({
    code: 0,
    stdout: `NAME   ID   VNI       SUBNETS                   MTU    ENDPOINTS   AGE
web    -    1048576   10.0.9.0/24,fd00:9::/64   1450   -           -
`,
    stderr: 'dry run: nothing was made\n',
  })
  expect(calls).toEqual([
    { method: 'networks.create', request: CreateNetworkRequest.create({ name: 'web', dryRun: true }) },
  ])
})

describe('--file', () => {
  const input =
    '{name: db, subnets: [10.0.10.0/24], labels: {team: shop}}\n---\n[{name: busy}, {name: web, ipv6: true}]\n'

  it('makes each network, and goes on past one that is refused', async () => {
    const { calls } = await start({
      networks: {
        create: async ({ name }) => {
          if (name === 'busy') throw new OverlayError('exhausted', 'no subnet is free in the pools')
          return { network: { ...web, name, status: null }, revision: 42 }
        },
      },
    })
    expect(await invoke(cluster, ['create', '-f', '-', '-o', 'name'], { input })).toEqual({
      code: 1,
      stdout: 'db\nweb\n',
      stderr: 'overlayctl: network busy: no subnet is free in the pools\n',
    })
    expect(calls.map(({ request }) => request)).toEqual([
      CreateNetworkRequest.create({ name: 'db', subnets: [{ cidr: '10.0.10.0/24' }], labels: { team: 'shop' } }),
      CreateNetworkRequest.create({ name: 'busy' }),
      CreateNetworkRequest.create({ name: 'web', ipv6: true }),
    ])
  })

  it('tries only, or waits for each', async () => {
    const { calls } = await start()
    await invoke(cluster, ['create', '-f', '-', '--dry-run'], { input })
    expect(calls.map(({ request }) => (request as CreateNetworkRequest).dryRun)).toEqual([true, true, true])
    calls.length = 0
    await invoke(cluster, ['create', '-f', '-', '--wait'], { input: 'name: db' })
    expect(calls.at(-1)).toEqual({ method: 'networks.waitApplied', request: { network: 'db', revision: 42 } })
  })

  it('makes nothing when the file is wrong', async () => {
    const { calls } = await start()
    expect(await invoke(cluster, ['create', '-f', '-'], { input: 'name: db\nmtu: big' })).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'overlayctl: --file: - (db): mtu: "big" is not a whole number in range: 576, or 1280 with IPv6, to 65485\n',
    })
    expect(calls).toEqual([])
  })
})

describe('prints the network', () => {
  it('as a table', async () => {
    await start()
    expect((await invoke(cluster, ['create', 'web'])).stdout).toBe(
      `NAME   ID             VNI       SUBNETS                   MTU    ENDPOINTS   AGE
web    7d1c6a5e0000   1048576   10.0.9.0/24,fd00:9::/64   1450   -           1d
`,
    )
  })

  it('as JSON', async () => {
    await start()
    const { stdout } = await invoke(cluster, ['create', 'web', '-o', 'json'])
    expect(JSON.parse(stdout)).toEqual(Network.toJson({ ...web, status: null }))
  })

  it('as its name, also one that was made up', async () => {
    await start()
    expect((await invoke(cluster, ['create', '-o', 'name'])).stdout).toBe('made-up\n')
  })
})

describe('--wait', () => {
  it('waits for the revision of the record', async () => {
    const { calls } = await start()
    const { code, stdout } = await invoke(cluster, ['create', 'web', '--wait', '-o', 'name'])
    expect([code, stdout]).toEqual([0, 'web\n'])
    expect(calls.at(-1)).toEqual({ method: 'networks.waitApplied', request: { network: 'web', revision: 42 } })
  })

  it('passes on who is late', async () => {
    const late = "network web is made, but not applied in time on host2: see the agents' logs"
    await start({
      networks: {
        waitApplied: async () => {
          throw new OverlayError('deadline', late)
        },
      },
    })
    const result = await invoke(cluster, ['create', 'web', '--wait'])
    expect(result).toEqual({ code: 1, stdout: '', stderr: `overlayctl: ${late}\n` })
  })

  it('says that the network exists when nobody answers in the time that is left', async () => {
    await start({ networks: { waitApplied: () => new Promise(() => undefined) } })
    const { code, stderr } = await invoke(cluster, ['create', 'web', '--wait', '--timeout', '0.3'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^overlayctl: network web exists, but whether it is applied is not known: .* did not answer/)
  })
})

it('passes on what the controller refuses', async () => {
  const why = 'subnet 10.0.9.0/24 overlaps 10.0.8.0/22 of network db'
  await start({
    networks: {
      create: async () => {
        throw new OverlayError('failed_precondition', why)
      },
    },
  })
  const result = await invoke(cluster, ['create', '--subnet', '10.0.9.0/24'])
  expect(result).toEqual({ code: 1, stdout: '', stderr: `overlayctl: ${why}\n` })
})
