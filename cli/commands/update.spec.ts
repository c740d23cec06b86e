import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { type Init, UpdateNetworkRequest } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { db, web } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string) => invoke(cluster, line.split(' '))

const sent: [flags: string, request: Init<UpdateNetworkRequest>][] = [
  ['--label a=b --label c= --label-rm d --label-rm e', { labels: { a: 'b', c: '' }, removeLabels: ['d', 'e'] }],
  ['--opt a=b --opt-rm c', { options: { a: 'b' }, removeOptions: ['c'] }],
  ['--mtu 1400', { mtu: 1400 }],
  ['--subnet 10.0.8.0/23', { subnets: [{ cidr: '10.0.8.0/23' }] }],
  [
    '--subnet fd00:8::/48 --ip-range 10.0.9.128/25 --subnet 10.0.8.0/23',
    { subnets: [{ cidr: '10.0.8.0/23', ipRange: '10.0.9.128/25' }, { cidr: 'fd00:8::/48' }] },
  ],
  ['--ip-range 10.0.9.128/25', { subnets: [{ ipRange: '10.0.9.128/25' }] }],
  ['--ip-range none', { removeIpRanges: [4, 6] }],
  ['--ip-range none4', { removeIpRanges: [4] }],
  ['--ip-range none6 --ip-range 10.0.9.128/25', { subnets: [{ ipRange: '10.0.9.128/25' }], removeIpRanges: [6] }],
  ['--ip-range none --subnet 10.0.8.0/23', { subnets: [{ cidr: '10.0.8.0/23' }], removeIpRanges: [4, 6] }],
  ['--subnet 10.0.8.0/23 --allow-overlap', { subnets: [{ cidr: '10.0.8.0/23' }], allowOverlap: true }],
]

it.each(sent)('update web %s', async (flags, request) => {
  const { calls } = await start()
  const { code, stderr } = await run(`update web ${flags}`)
  expect([code, stderr]).toEqual([0, ''])
  expect(calls.filter(({ method }) => method !== 'networks.get')).toEqual([
    { method: 'networks.update', request: UpdateNetworkRequest.create({ name: 'web', ...request }) },
  ])
})

it('update --ip-range none asks which subnets there are', async () => {
  const { calls } = await start({ networks: { get: async () => db } })
  expect((await run('update db --ip-range none')).code).toBe(0)
  expect(calls).toMatchObject([
    { method: 'networks.get', request: { name: 'db', maxEndpoints: 1 } },
    { method: 'networks.update', request: { name: 'db', removeIpRanges: [4] } },
  ])
})

it.each([
  [
    '',
    'update: say what to change: --label, --label-rm, --opt, --opt-rm, --mtu, --subnet, --ip-range or --allow-overlap',
  ],
  [' --dry-run', 'update: say what to change: '],
  [' --mtu 1', '--mtu: 1 is out of range: 576, or 1280 with IPv6, to 65485'],
  [' --mtu 0', '--mtu: "0" is not a whole number in range: 576, or 1280 with IPv6, to 65485'],
  [' --opt encrypted=true', '--opt: encrypted: there is no encryption yet'],
  [
    ` --label ${'x'.repeat(64)}=1 --mtu 600000 --subnet 10.1.0.5/23 --ip-range foo`,
    `--ip-range: "foo" is not a range (write ADDRESS/PREFIX, for example 10.0.9.128/25, or none, none4, none6); --label: "${'x'.repeat(64)}" is not a key: use 1 to 63 letters, digits, ".", "_", "/" and "-", a letter or digit first and last; --mtu: 600000 is out of range: 576, or 1280 with IPv6, to 65485; --subnet 10.1.0.5/23 has host bits set: did you mean 10.1.0.0/23?`,
  ],
  [' --label =a', '--label: "=a" is not KEY=VALUE'],
  [' --label-rm=', '--label-rm: must not be empty'],
  [' --subnet web', '--subnet: "web" is not a subnet'],
  [
    ' --ip-range all',
    '--ip-range: "all" is not a range (write ADDRESS/PREFIX, for example 10.0.9.128/25, or none, none4',
  ],
  [
    ' --label a=b --label-rm a --opt c=d --opt-rm c',
    '--label: "a" is both set and removed: do one of the two; --opt: "c" is both set and removed',
  ],
  [
    ' --subnet 10.0.8.0/23 --subnet 10.0.8.0/22',
    '--subnet: the IPv4 subnet cannot become both 10.0.8.0/23 and 10.0.8.0/22: give one of them',
  ],
  [' --ip-range none --ip-range 10.0.9.0/25', '--ip-range: that of IPv4 is both given and removed'],
  [
    ' --ip-range 10.0.9.0/25 --ip-range 10.0.9.0/26',
    '--ip-range: the IPv4 range cannot become both 10.0.9.0/25 and 10.0.9.0/26',
  ],
  [' --mtu 1400 --wait --dry-run', '--wait: with --dry-run there is nothing to wait for: leave one of them out'],
  [' --gateway 10.0.9.2', "unknown option '--gateway'"],
  [' --vni 7', "unknown option '--vni'"],
])('update web%s is wrong usage', async (flags, message) => {
  const { calls } = await start()
  const { code, stdout, stderr } = await run(`update web${flags}`)
  expect([code, stdout, calls]).toEqual([2, '', []])
  expect(stderr).toContain(`overlayctl: ${message}`)
})

it('prints the network as it has become', async () => {
  await start()
  expect(await run('update web --mtu 1400')).toEqual({
    code: 0,
    stdout: `NAME   ID             VNI       SUBNETS                   MTU    ENDPOINTS   AGE
web    7d1c6a5e0000   1048576   10.0.9.0/24,fd00:9::/64   1450   -           1d
`,
    stderr: '',
  })
})

it('says when there was nothing to change', async () => {
  await start({ networks: { update: async () => ({ network: web, revision: 41, changed: false }) } })
  expect(await run('update 7d1c --mtu 1450 -o name')).toEqual({
    code: 0,
    stdout: 'web\n',
    stderr: 'nothing to change: network web is so already\n',
  })
})

it('says of a dry run that nothing was changed', async () => {
  const { calls } = await start()
  expect(await run('update web --mtu 1400 --dry-run -o name')).toEqual({
    code: 0,
    stdout: 'web\n',
    stderr: 'dry run: nothing was changed\n',
  })
  expect(calls[0]?.request).toEqual(UpdateNetworkRequest.create({ name: 'web', mtu: 1400, dryRun: true }))
})

it('passes on what the controller refuses', async () => {
  const why = 'subnets: 10.0.9.0/25 does not contain 10.0.9.0/24: a subnet only grows'
  await start({
    networks: {
      update: async () => {
        throw new OverlayError('invalid', why)
      },
    },
  })
  expect(await run('update web --subnet 10.0.9.0/25')).toEqual({
    code: 1,
    stdout: '',
    stderr: `overlayctl: ${why}\n`,
  })
})

describe('--wait', () => {
  it('waits for the revision of the record, by the name of the network', async () => {
    const { calls } = await start({
      networks: { update: async () => ({ network: web, revision: 43, changed: true }) },
    })
    expect((await run('update 7d1c --mtu 1400 --wait')).code).toBe(0)
    expect(calls.at(-1)).toEqual({ method: 'networks.waitApplied', request: { network: 'web', revision: 43 } })
  })

  it('says that the network is changed when nobody answers in the time that is left', async () => {
    await start({ networks: { waitApplied: () => new Promise(() => undefined) } })
    const { code, stderr } = await run('update web --mtu 1400 --wait --timeout 0.3')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^overlayctl: network web is changed, but whether it is applied is not known: /)
  })
})
