import { afterEach, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { Event } from '../../proto/index.ts'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { endpoint, host1, web } from '../testing/records.ts'

let cluster: FakeCluster | undefined
const start = async (answers?: Answers) => (cluster = await startFakeCluster(answers))
afterEach(() => cluster?.close())
const run = (line: string) => invoke(cluster, line.split(' '))

it('prints a line per event, and fails when the controller ends the stream', async () => {
  await start()
  expect(await run('events')).toEqual({
    code: 1,
    stdout: `2026-03-02T10:00:00.000Z   created    network    web            vni=1048576 subnets=10.0.9.0/24,fd00:9::/64
2026-03-02T10:00:01.000Z   lost       node       host2          vtep=192.0.2.2
`,
    stderr: `overlayctl: the controller at ${cluster?.controller} ended the stream: start "overlayctl events" again, and look with "overlayctl ls" at what was missed\n`,
  })
})

it('prints endpoints', async () => {
  await start({
    events: {
      async *watch() {
        yield Event.create({ time: '2026-03-02T10:00:00.000Z', action: 'REMOVED', endpoint })
      },
    },
  })
  expect((await run('events')).stdout).toBe(
    '2026-03-02T10:00:00.000Z   removed    endpoint   3f2a9c0d1e2f   network=web node=host1 addresses=10.0.9.7,fd00:9::7 name=client\n',
  )
})

it('prints warnings and their end with what they are of', async () => {
  const [time, message] = ['2026-03-02T10:00:00.000Z', '93 % of the addresses of 10.0.9.0/24 are used']
  await start({
    events: {
      async *watch() {
        yield Event.create({ time, action: 'WARNED', network: web, message })
        yield Event.create({ time, action: 'CLEARED', network: web, message })
      },
    },
  })
  expect((await run('events')).stdout).toBe(`${time}   warned     network    web            ${message}
${time}   cleared    network    web            ${message}
`)
})

it('prints what is said of a node', async () => {
  const time = '2026-03-02T10:00:00.000Z'
  await start({
    events: {
      async *watch() {
        yield Event.create({ time, action: 'UPDATED', node: host1, message: 'drained: new disk' })
      },
    },
  })
  expect((await run('events')).stdout).toBe(
    `${time}   updated    node       host1          vtep=192.0.2.1 drained: new disk\n`,
  )
})

it('prints what agents have mended', async () => {
  const [time, message] = ['2026-03-02T10:00:00.000Z', 'host1: link ovbr1048576 was missing: put back']
  await start({
    events: {
      async *watch() {
        yield Event.create({ time, action: 'REPAIRED', node: host1, message })
      },
    },
  })
  expect((await run('events')).stdout).toBe(`${time}   repaired   node       host1          ${message}\n`)
})

it('prints an object per line, documents, or names', async () => {
  await start()
  const lines = (await run('events -o json')).stdout.trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { action: 'CREATED', network: { name: 'web' } },
    { action: 'LOST', node: { name: 'host2' } },
  ])
  expect(parseAllDocuments((await run('events -o yaml')).stdout)).toHaveLength(2)
  expect((await run('events -o name')).stdout).toBe('network/web\nnode/host2\n')
})

it('ends quietly at Ctrl-C', async () => {
  const interrupt = new AbortController()
  await start({
    events: {
      async *watch(_, { signal }) {
        yield Event.create({ time: '2026-03-02T10:00:00.000Z', action: 'REMOVED', endpoint })
        interrupt.abort('SIGINT')
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      },
    },
  })
  const result = await invoke(cluster, ['events'], { interrupted: interrupt.signal })
  expect(result).toMatchObject({ code: 130, stderr: '' })
})
