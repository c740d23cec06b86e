import { afterEach, expect, it } from 'vitest'
import { type Answers, type FakeCluster, startFakeCluster } from '../testing/cluster.ts'
import { invoke } from '../testing/invoke.ts'
import { endpoint } from '../testing/records.ts'

let cluster: FakeCluster | undefined
afterEach(() => cluster?.close())

async function run(line: string, answers: Answers = {}) {
  cluster = await startFakeCluster(answers)
  return invoke(cluster, line.split(' '))
}

const asked = () => cluster?.calls.map(({ method, request }) => [method, request])
const writtenBack = `  written back: ${endpoint.id} of web (10.0.9.7, fd00:9::7)\n`

it('asks the local agent by default', async () => {
  const { stdout, code } = await run('node resync')
  expect([stdout, code]).toEqual([`resynced node host1: wrote back 1 endpoint\n${writtenBack}`, 0])
  expect(asked()).toEqual([['agent.resync', { discard: false }]])
})

it('asks the nodes that are named, or all, through the controller', async () => {
  const { stdout } = await run('node resync --discard host2')
  expect(stdout).toBe(`resynced node host2: wrote back 1 endpoint\n${writtenBack}`)
  expect(asked()).toEqual([['nodes.resync', { name: 'host2', discard: true }]])
  await cluster?.close()
  expect((await run('node resync --all -o name')).stdout).toBe('host1\nhost2\n')
})

it('tells what was taken down, and what is left, with exit code 1', async () => {
  const left = ['endpoint e1 of network db (10.0.10.2): network db is not in the store']
  const resync = async () => ({ node: 'host1', restored: [], discarded: [endpoint], left })
  const { stdout, stderr, code } = await run('node resync host1', { nodes: { resync } })
  expect(stdout).toBe(
    `resynced node host1: wrote back 0 endpoints, took down 1 endpoint, left 1 endpoint as it was\n  taken down: ${endpoint.id} of web\n`,
  )
  expect(stderr).toContain(`node host1: left as it is: ${left[0]}`)
  expect(code).toBe(1)
})

it('as JSON gives a list of the answers', async () => {
  const { stdout } = await run('node resync -o json')
  expect(JSON.parse(stdout)).toMatchObject([{ node: 'host1', restored: [{ id: endpoint.id }] }])
})

it('takes either names or --all', async () => {
  const { code, stderr } = await run('node resync --all host1')
  expect([code, stderr]).toEqual([2, 'overlayctl: give either names of nodes, or --all\n'])
})
