import { afterEach, describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import { AddressTenure, CheckIpamResponse, Finding, type RepairOutcome, ShowIpamResponse } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { db, web } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string, answer?: string) => invoke(cluster, line.split(' '), answer === undefined ? {} : { answer })
const asked = (method: string) => cluster?.calls.filter((call) => call.method === method).map(({ request }) => request)

const shown = ShowIpamResponse.create({
  network: web,
  subnets: [
    {
      usage: {
        cidr: '10.0.9.0/24',
        used: 2,
        reserved: 1,
        quarantined: 1,
        free: '250',
        freeInRange: '123',
        percentUsed: 1.2,
      },
      ipRange: '10.0.9.128/25',
      runs: [
        { first: '10.0.9.1', last: '10.0.9.1', state: 'GATEWAY' },
        { first: '10.0.9.128', last: '10.0.9.129', state: 'USED' },
        { first: '10.0.9.130', last: '10.0.9.130', state: 'QUARANTINED' },
      ],
    },
  ],
})

describe('ipam show', () => {
  const answers: Answers = {
    ipam: {
      show: async ({ network }) => {
        if (network === 'db') throw new OverlayError('not_found', 'there is no network db')
        return shown
      },
    },
  }

  it('is a table of all networks, without one that is gone meanwhile', async () => {
    await start(answers)
    expect(await run('ipam show')).toEqual({
      code: 0,
      stdout: `NETWORK   SUBNET        USED   RESERVED   QUARANTINED   FREE   FULL
web       10.0.9.0/24   2      1          1             250    [#.........] 1.2 %
`,
      stderr: '',
    })
    expect(asked('ipam.show')).toEqual([{ network: 'db' }, { network: 'web' }])
  })

  it('is a map of one network', async () => {
    await start(answers)
    const { stdout } = await run('ipam show web')
    expect(stdout).toContain('10.0.9.128   ##q............. ')
    expect(asked('ipam.show')).toEqual([{ network: 'web' }])
  })

  it('is JSON, a list for all, and names of subnets', async () => {
    await start(answers)
    expect(JSON.parse((await run('ipam show web -o json')).stdout)).toEqual(ShowIpamResponse.toJson(shown))
    expect(JSON.parse((await run('ipam show -o json')).stdout)).toEqual([ShowIpamResponse.toJson(shown)])
    expect((await run('ipam show -o name')).stdout).toBe('10.0.9.0/24\n')
    expect((await run('ipam show web -o name')).stdout).toBe('10.0.9.0/24\n')
  })

  it('says what to do without networks', async () => {
    await start({ networks: { list: async () => ({ networks: [], nextPageToken: '' }) } })
    expect(await run('ipam show')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^no networks yet/),
    })
    expect((await run('ipam show -o json')).stdout).toBe('[]\n')
  })
})

const findings = [
  Finding.create({
    kind: 'OWNER_WITHOUT_ENDPOINT',
    network: 'web',
    subject: '10.0.9.7',
    endpointId: '3f2a9c0d1e2f30415263748596a7b8c9',
    node: 'host1',
    problem: 'the endpoint is not there',
    repair: 'free 10.0.9.7',
  }),
  Finding.create({
    kind: 'UNOWNED_ON_LINK',
    network: 'web',
    subject: '10.0.9.9',
    node: 'host2',
    problem: 'ove1234 has it, and nobody owns it',
  }),
]

const found = CheckIpamResponse.create({
  findings,
  networksChecked: 1,
  addressesChecked: 254,
  nodesChecked: ['host1', 'host2'],
  nodesMissed: ['host3: not alive'],
})
const [mendable] = found.findings
const onlyMendable = CheckIpamResponse.create({ ...found, findings: mendable ? [mendable] : [], nodesMissed: [] })

const repaired: RepairOutcome = { state: 'REPAIRED', problem: '' }
const left: RepairOutcome = { state: 'LEFT', problem: 'remove it on host2: ip address del' }

describe('ipam check', () => {
  it('tells what was looked at when all is well', async () => {
    await start()
    expect(await run('ipam check')).toEqual({
      code: 0,
      stdout: 'checked 2 networks, 5 addresses, and the links of 1 node: no findings\n',
      stderr: 'warning: the links of a node were not looked at: host2: not alive\n',
    })
    expect(asked('ipam.check')).toEqual([{ network: '' }])
  })

  it('has more time than others, unless told otherwise', async () => {
    const seconds: number[] = []
    await start({
      ipam: {
        check: async (_, { deadline }) => {
          seconds.push(Math.ceil((deadline - Date.now()) / 1000))
          return CheckIpamResponse.create()
        },
      },
    })
    await run('ipam check')
    await run('ipam check --timeout 7')
    expect(seconds).toEqual([120, 7])
  })

  it('lists findings, and fails', async () => {
    await start({ ipam: { check: async () => found } })
    expect(await run('ipam check web')).toEqual({
      code: 1,
      stdout: `KIND                     NETWORK   SUBJECT                           NODE    PROBLEM
owner without endpoint   web       10.0.9.7, endpoint 3f2a9c0d1e2f   host1   the endpoint is not there
unowned on link          web       10.0.9.9                          host2   ove1234 has it, and nobody owns it
checked 1 network, 254 addresses, and the links of 2 nodes: 2 findings
`,
      stderr: `warning: the links of a node were not looked at: host3: not alive
overlayctl: 2 findings: see what can be done with "overlayctl ipam check --repair"
`,
    })
    expect(asked('ipam.check')).toEqual([{ network: 'web' }])
  })

  it('prints the message, or a name for each', async () => {
    await start({ ipam: { check: async () => found } })
    const { code, stdout } = await run('ipam check -o json')
    expect([code, JSON.parse(stdout)]).toEqual([1, CheckIpamResponse.toJson(found)])
    expect((await run('ipam check -o name')).stdout).toBe(
      'owner-without-endpoint/web/10.0.9.7\nunowned-on-link/web/10.0.9.9\n',
    )
  })
})

describe('ipam check --repair', () => {
  const plan = `KIND                     NETWORK   SUBJECT                           NODE    PROBLEM                              REPAIR
owner without endpoint   web       10.0.9.7, endpoint 3f2a9c0d1e2f   host1   the endpoint is not there            free 10.0.9.7
unowned on link          web       10.0.9.9                          host2   ove1234 has it, and nobody owns it   left to a person
`

  it('refuses where nobody can be asked, before it looks', async () => {
    await start({ ipam: { check: async () => found } })
    expect(await run('ipam check --repair')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'overlayctl: --repair asks before it changes anything, and standard input is no terminal: give --yes to repair without a question\n',
    })
    expect(cluster?.calls).toEqual([])
  })

  it('shows the plan, asks, repairs, and fails for what is left', async () => {
    await start({ ipam: { check: async () => found, repair: async () => ({ outcomes: [repaired, left] }) } })
    const { code, stdout, stderr } = await run('ipam check --repair', 'y')
    expect(code).toBe(1)
    expect(stdout).toBe(`${plan}checked 1 network, 254 addresses, and the links of 2 nodes: 2 findings

KIND                     NETWORK   SUBJECT                           NODE    OUTCOME    WHY
owner without endpoint   web       10.0.9.7, endpoint 3f2a9c0d1e2f   host1   repaired   -
unowned on link          web       10.0.9.9                          host2   left       remove it on host2: ip address del
`)
    expect(stderr).toBe(`warning: the links of a node were not looked at: host3: not alive
overlayctl: 1 of 2 findings left: see above why
`)
    expect(asked('ipam.repair')).toEqual([{ findings: found.findings }])
  })

  it.each(['', 'n', 'maybe'])('changes nothing at the answer %j', async (answer) => {
    await start({ ipam: { check: async () => found } })
    const { code, stderr } = await run('ipam check --repair', answer)
    expect([code, stderr.split('\n').at(-2)]).toEqual([1, 'nothing was repaired'])
    expect(asked('ipam.repair')).toEqual([])
  })

  it.each<RepairOutcome>([repaired, { state: 'GONE', problem: '' }])(
    'succeeds when nothing is left: %j',
    async (outcome) => {
      await start({ ipam: { check: async () => onlyMendable, repair: async () => ({ outcomes: [outcome] }) } })
      expect(await run('ipam check --repair --yes')).toMatchObject({ code: 0, stderr: '' })
    },
  )

  it('has nothing to ask when all is well', async () => {
    await start()
    expect(await run('ipam check --repair', 'n')).toMatchObject({ code: 0 })
    expect(asked('ipam.repair')).toEqual([])
  })

  it('prints JSON alone on standard output, with the outcomes', async () => {
    await start({ ipam: { check: async () => found, repair: async () => ({ outcomes: [repaired, left] }) } })
    const { code, stdout, stderr } = await run('ipam check --repair --yes -o json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toEqual({ ...CheckIpamResponse.toJson(found), outcomes: [repaired, left] })
    expect(stderr).toContain(plan)
    expect((await run('ipam check --repair --yes -o name')).stdout).toBe('unowned-on-link/web/10.0.9.9\n')
  })
})

describe('ipam release', () => {
  it('says what each address was', async () => {
    await start()
    expect(await run('ipam release web 10.0.9.7')).toEqual({
      code: 0,
      stdout: 'released 10.0.9.7 of network web: it was in quarantine until 2026-03-02T10:01:00Z\n',
      stderr: '',
    })
  })

  it('goes on past what is refused, in every format', async () => {
    await start({
      ipam: {
        release: async ({ address }) => {
          if (address === '10.0.9.7') throw new OverlayError('failed_precondition', '10.0.9.7 is in use')
          return { was: 'reserved' }
        },
      },
    })
    const { code, stdout, stderr } = await run('ipam release web 10.0.9.7 fd00:9::7 -o json')
    expect([code, stderr]).toEqual([1, 'overlayctl: 10.0.9.7 is in use\n'])
    expect(JSON.parse(stdout)).toEqual([{ network: 'web', address: 'fd00:9::7', was: 'reserved' }])
    expect((await run('ipam release web 10.0.9.7 fd00:9::7 -o name')).stdout).toBe('fd00:9::7\n')
  })

  it.each([
    ['ipam release web', "missing required argument 'address'"],
    ['ipam release web nothing', 'address: "nothing" is not an IP address (for example 10.0.9.7 or fd00::7)'],
  ])('%s is wrong usage', async (line, message) => {
    const { code, stderr } = await invoke(undefined, line.split(' '))
    expect([code, stderr]).toEqual([2, `overlayctl: ${message} (see "overlayctl ipam release --help")\n`])
  })
})

describe('ipam history', () => {
  const holder = {
    address: '10.0.9.7',
    endpointId: '3f2a9c0d1e2f30415263748596a7b8c9',
    name: 'db',
    node: 'host1',
    mac: '02:11:22:33:44:55',
    claimedAt: '2026-03-02T09:00:00.000Z',
  }
  const tenures = [
    AddressTenure.create({ network: 'web', tenure: holder }),
    AddressTenure.create({
      network: 'web',
      tenure: {
        ...holder,
        endpointId: '4f2a9c0d1e2f30415263748596a7b8c9',
        name: '',
        claimedAt: '2026-03-01T09:00:00.000Z',
        releasedAt: '2026-03-01T10:00:00.000Z',
        end: 'DETACHED',
      },
    }),
  ]

  it('lists who held it and when', async () => {
    await start({ ipam: { history: async () => ({ tenures }) } })
    expect(
      (await run('ipam history --ip 10.0.9.7 --network web')).stdout,
    ).toBe(`NETWORK   ADDRESS    ENDPOINT       NAME   NODE    MAC                 FROM                       UNTIL                      END
web       10.0.9.7   3f2a9c0d1e2f   db     host1   02:11:22:33:44:55   2026-03-02T09:00:00.000Z   now                        -
web       10.0.9.7   4f2a9c0d1e2f   -      host1   02:11:22:33:44:55   2026-03-01T09:00:00.000Z   2026-03-01T10:00:00.000Z   detached
`)
    expect(asked('ipam.history')).toEqual([{ address: '10.0.9.7', network: 'web' }])
    const { stdout } = await run('ipam history --ip 10.0.9.7 -o json')
    expect(JSON.parse(stdout)).toEqual(tenures.map((tenure) => AddressTenure.toJson(tenure)))
  })

  it('says when nobody did', async () => {
    await start()
    expect(await run('ipam history --ip fd00::7')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'nobody held that address, as far as the journal goes back\n',
    })
  })
})

it('ipam show asks for each network by its name', async () => {
  await start()
  await run('ipam show')
  expect(asked('ipam.show')).toEqual([{ network: db.name }, { network: web.name }])
})
