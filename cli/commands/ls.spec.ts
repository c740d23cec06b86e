import { afterEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { Event, Network } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { db, web } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string) => invoke(cluster, line.split(' '))

const none: Answers = { networks: { list: async () => ({ networks: [], nextPageToken: '' }) } }

describe('ls', () => {
  it('prints a table of all pages', async () => {
    await start()
    expect(await run('ls')).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME   ID             VNI       SUBNETS                   MTU    ENDPOINTS   AGE
db     2b8e0f110000   1048577   10.0.10.0/24              1450   0           3m20s
web    7d1c6a5e0000   1048576   10.0.9.0/24,fd00:9::/64   1450   1           1d
`,
    })
  })

  it('prints more when wide', async () => {
    await start()
    const [heading, , row] = (await run('ls -o wide')).stdout.split('\n')
    expect(heading?.split(/ {3,}/)).toEqual(
      'NAME ID VNI SUBNETS GATEWAYS MTU ENDPOINTS AGE FLAGS LABELS OPTIONS UID'.split(' '),
    )
    expect(row).toMatch(/ 10\.0\.9\.1,fd00:9::1 .* - {7}a\.b=c,team=shop .* 7d1c6a5e000040008000000000000001$/)
  })

  it('prints JSON, YAML and names', async () => {
    await start()
    const expected = [Network.toJson(db), Network.toJson(web)]
    expect(JSON.parse((await run('ls -o json')).stdout)).toEqual(expected)
    expect(parse((await run('-o yaml ls')).stdout)).toEqual(expected)
    expect((await run('ls --output=name')).stdout).toBe('db\nweb\n')
  })

  it('hints at the first network when there is none', async () => {
    await start(none)
    expect(await run('ls')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no networks yet: make one with "overlayctl create --subnet 10.0.9.0/24 web"\n',
    })
    expect(await run('ls -o json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
    expect(await run('ls -o yaml')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
    expect(await run('ls -o name')).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('passes filters on', async () => {
    const { calls } = await start()
    await run('ls --filter label=team --filter label=team=shop --filter node=host1')
    expect(calls[0]).toMatchObject({
      method: 'networks.list',
      request: { filters: ['label=team', 'label=team=shop', 'node=host1'], withStatus: true },
    })
  })

  it.each([
    ['ls --filter color=red', '"color=red" is no filter: use name=, id=, label=, driver=, node=, dangling=, until='],
    ['ls --filter web', '"web" is no filter: use name=, id=, label=, driver=, node=, dangling=, until='],
    ['ls --filter node=', '"node=" has no value: write it as in node=host1'],
  ])('%s is wrong usage', async (line, message) => {
    expect(await run(line)).toEqual({
      code: 2,
      stdout: '',
      stderr: `overlayctl: --filter: ${message} (see "overlayctl ls --help")\n`,
    })
  })

  it('tells all that is wrong with the values of filters, and asks nothing', async () => {
    const { code, stderr } = await run('ls --filter until=bla --filter dangling=x')
    expect(code).toBe(2)
    expect(stderr).toMatch(/^overlayctl: filter "until=bla": .* no point in time.*; filter "dangling=x": give true or/)
  })

  it.each([
    ['ls -q', '2b8e0f110000\n7d1c6a5e0000\n'],
    ['ls --quiet --no-trunc', '2b8e0f11000040008000000000000002\n7d1c6a5e000040008000000000000001\n'],
    ['ls -q -o json', '2b8e0f110000\n7d1c6a5e0000\n'],
  ])('%s prints ids', async (line, stdout) => {
    await start()
    expect(await run(line)).toEqual({ code: 0, stdout, stderr: '' })
  })

  it('prints whole ids with --no-trunc', async () => {
    await start()
    expect((await run('ls --no-trunc')).stdout).toContain('db     2b8e0f11000040008000000000000002   1048577')
  })
})

describe('ls --watch', () => {
  /** A cluster whose list and events the spec makes; the list is asked for again after each event. */
  async function startLive(states: readonly (readonly Network[])[]) {
    const interrupt = new AbortController()
    const waiting: (() => void)[] = []
    let at = 0
    await start({
      networks: { list: async () => ({ networks: [...(states[at] ?? [])], nextPageToken: '' }) },
      events: {
        async *watch(_, { signal }) {
          signal.addEventListener('abort', () => waiting.shift()?.(), { once: true })
          for (;;) {
            await new Promise<void>((resolve) => waiting.push(resolve))
            if (signal.aborted) return
            yield Event.create({ action: 'UPDATED', network: web })
          }
        },
      },
    })
    /** Goes to the next state, or presses Ctrl-C after the last. */
    const next = () => {
      if (++at < states.length) waiting.shift()?.()
      else interrupt.abort('SIGINT')
    }
    return { next, interrupted: interrupt.signal }
  }

  const relabelled = Network.create({ ...web, labels: { team: 'ops' }, status: { endpointCount: 10 } })

  it('prints rows as they come, change and go', async () => {
    const { next, interrupted } = await startLive([[db, web], [relabelled], []])
    const { code, stdout, stderr } = await invoke(cluster, ['ls', '--watch'], { interrupted, onOutput: next })
    expect([code, stderr]).toEqual([130, ''])
    expect(stdout).toBe(`CHANGE    NAME   ID             VNI       SUBNETS                   MTU    ENDPOINTS   AGE
added     db     2b8e0f110000   1048577   10.0.10.0/24              1450   0           3m20s
added     web    7d1c6a5e0000   1048576   10.0.9.0/24,fd00:9::/64   1450   1           1d
removed   db     2b8e0f110000   1048577   10.0.10.0/24              1450   0           3m20s
changed   web    7d1c6a5e0000   1048576   10.0.9.0/24,fd00:9::/64   1450   10          1d
removed   web    7d1c6a5e0000   1048576   10.0.9.0/24,fd00:9::/64   1450   10          1d
`)
  })

  const before = Network.toJson(web)
  const after = Network.toJson({ ...web, mtu: 1400 })

  it.each([
    ['json', (change: string, network: unknown) => `${JSON.stringify({ change, network })}\n`],
    ['yaml', (change: string, network: unknown) => `---\n${stringify({ change, network })}`],
    ['name', () => 'web\n'],
  ])('prints %s, one after another', async (format, line) => {
    const { next, interrupted } = await startLive([[web], [{ ...web, mtu: 1400 }]])
    const { stdout } = await invoke(cluster, ['ls', '-w', '-o', format], { interrupted, onOutput: next })
    expect(stdout).toBe(line('added', before) + line('changed', after))
  })

  it('paints the table again on a terminal, cut to its size', async () => {
    const { next, interrupted } = await startLive([[db], [db, web, relabelled]])
    const { stdout } = await invoke(cluster, ['ls', '-w'], {
      interrupted,
      onOutput: next,
      terminal: { columns: 21, rows: 4 },
    })
    expect(stdout.split('\u001b[H').map((paint) => paint.replaceAll('\u001b[K', ''))).toEqual([
      '',
      'NAME   ID            \ndb     2b8e0f110000  \n\u001b[J',
      'NAME   ID            \ndb     2b8e0f110000  \n… and 2 more lines\n\u001b[J',
    ])
  })

  it('fails when the stream of changes ends', async () => {
    await start({
      events: {
        async *watch() {
          yield Event.create({ action: 'UPDATED', network: web })
        },
      },
    })
    const { code, stderr } = await run('ls --watch')
    expect(code).toBe(1)
    expect(stderr).toBe(
      `overlayctl: the controller at ${cluster?.controller} ended the stream of changes: start again\n`,
    )
  })
})
