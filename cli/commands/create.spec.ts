import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { CreateNetworkRequest, type Init, Network } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster, web } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'

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
  ['create --subnet 10.0.9.7/24', { subnets: [{ cidr: '10.0.9.7/24' }] }],
  ['create --mtu 1300', { mtu: 1300 }],
  ['create --label a=b --label c=d=e --label empty=', { labels: { a: 'b', c: 'd=e', empty: '' } }],
  ['create --opt x=y', { options: { x: 'y' } }],
]

it.each(sent)('%s', async (line, request) => {
  const { calls } = await start()
  const { code, stderr } = await invoke(cluster, line.split(' '))
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(calls).toEqual([{ method: 'networks.create', request: CreateNetworkRequest.create(request) }])
})

const refused: [line: string, message: string][] = [
  ['create --mtu abc', '--mtu: "abc" is not a whole number from 68 to 65535'],
  ['create --mtu -5', '--mtu: "-5" is not a whole number from 68 to 65535'],
  ['create --mtu 14.5', '--mtu: "14.5" is not a whole number from 68 to 65535'],
  ['create --mtu 70000', '--mtu: "70000" is not a whole number from 68 to 65535'],
  ['create --label novalue', '--label: "novalue" is not KEY=VALUE (for example team=web)'],
  ['create --opt =v', '--opt: "=v" is not KEY=VALUE (for example team=web)'],
  ['create --subnet web', '--subnet: "web" is not a subnet (write ADDRESS/PREFIX, for example 10.0.9.0/24)'],
  ['create --subnet 10.0.9.0', '--subnet: "10.0.9.0" is not a subnet (write ADDRESS/PREFIX, for example 10.0.9.0/24)'],
  ['create --gateway here', '--gateway: "here" is not an IP address (for example 10.0.9.7 or fd00::7)'],
  ['create a b', "too many arguments for 'create'. Expected 1 argument but got 2."],
  ['create --subent 10.0.9.0/24', "unknown option '--subent': Did you mean --subnet?"],
  ['create --subnet', "option '--subnet <cidr>' argument missing"],
]

it.each(refused)('%s is wrong usage', async (line, message) => {
  const { calls } = await start()
  const result = await invoke(cluster, line.split(' '))
  expect(result).toEqual({ code: 2, stdout: '', stderr: `overlayctl: ${message} (see "overlayctl create --help")\n` })
  expect(calls).toEqual([])
})

it.each([
  ['create --gateway 10.0.9.1', 'IPv4'],
  ['create --subnet 10.0.9.0/24 --gateway fd00::1', 'IPv6'],
  ['create --subnet 10.0.9.0/24 --gateway 10.0.9.1 --gateway 10.0.9.2', 'IPv4'],
])('%s has no subnet for a gateway', async (line, family) => {
  const result = await invoke(undefined, line.split(' '))
  expect(result.code).toBe(2)
  expect(result.stderr).toMatch(
    new RegExp(`--gateway \\S+: there is no ${family} subnet left for it; give --subnet with each gateway`),
  )
})

describe('prints the network', () => {
  it('as a table', async () => {
    await start()
    expect((await invoke(cluster, ['create', 'web'])).stdout).toBe(
      `NAME   VNI       SUBNETS                   MTU    ENDPOINTS   AGE
web    1048576   10.0.9.0/24,fd00:9::/64   1450   -           1d
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
  const why = 'subnet 10.0.9.7/24 has host bits set: did you mean 10.0.9.0/24?'
  await start({
    networks: {
      create: async () => {
        throw new OverlayError('invalid', why)
      },
    },
  })
  const result = await invoke(cluster, ['create', '--subnet', '10.0.9.7/24'])
  expect(result).toEqual({ code: 1, stdout: '', stderr: `overlayctl: ${why}\n` })
})
