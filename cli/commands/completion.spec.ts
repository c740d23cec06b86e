import { afterEach, describe, expect, it } from 'vitest'
import { type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { db, web } from '../testing/records.ts'

let cluster: FakeCluster | undefined
afterEach(async () => {
  await cluster?.close()
  cluster = undefined
})

/** The words that are offered for a line, of which the last one is being typed. */
async function offered(line: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await invoke(cluster, ['__complete', '--', ...line.split(' ')])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((one) => one.replace(/\t.*/, ''))
}

it.each([
  ['cl', ['cluster']],
  ['node re', ['resync']],
  ['cluster token ', ['create', 'ls', 'rm']],
  ['cluster cert', ['certs']],
  ['-o ', ['table', 'wide', 'json', 'yaml', 'name']],
  ['ls --output=j', ['--output=json']],
  ['ls --output = j', ['json']],
  ['cluster token create --role ', ['node', 'admin', 'viewer']],
  ['cluster token create --role admin --us', ['--uses']],
  ['--controller 10.0.0.1 : 4780 node l', ['ls']],
  ['completion ', ['bash', 'zsh', 'fish']],
  ['cluster backup ', [':files']],
  ['run --network web -- ', [':files']],
  ['no-such ', []],
])('%s', async (line, words) => {
  expect(await offered(line)).toEqual(words)
})

describe('asks the cluster for names of', () => {
  it.each([
    ['rm ', ['db', 'web']],
    ['rm web w', ['web']],
    ['attach ', ['db', 'web']],
    ['run --network d', ['db']],
    ['node drain ', ['host1', 'host2']],
    ['cluster token rm ', ['5f0c2a9b']],
    ['cluster certs revoke admin', ['admin/anna']],
  ])('%s', async (line, words) => {
    cluster = await startFakeCluster({ networks: { list: async () => ({ networks: [db, web], nextPageToken: '' }) } })
    expect(await offered(line)).toEqual(words)
  })

  it('nothing, quietly, when it is away', async () => {
    expect(await offered('rm --controller 127.0.0.1:1 ')).toEqual([])
  })
})

it.each(['bash', 'zsh', 'fish'])('prints a script for %s, and does not show the hidden command', async (shell) => {
  const { code, stdout } = await invoke(undefined, ['completion', shell])
  expect(code).toBe(0)
  expect(stdout).toContain('__complete')
  expect((await invoke(undefined, ['--help'])).stdout).not.toContain('__complete')
})
