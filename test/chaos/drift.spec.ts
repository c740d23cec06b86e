import { expect, it } from 'vitest'
import type { Output } from '../lab/netns.ts'
import { driftBy } from './drift.ts'

const links = JSON.stringify([{ ifname: 'ovbr9' }, { ifname: 'ovbr5' }, { ifname: 'ovvx5' }, { ifname: 'ove1' }])

/** On a host with a network and an endpoint, where every command comes to this. */
function drift(output: Partial<Output>) {
  const ran: string[] = []
  const host = {
    name: 'h1',
    exec: async () => links,
    try: async (command: string | readonly string[]) => {
      ran.push(String(command))
      return { exitCode: 0, stdout: '', stderr: '', ...output }
    },
  }
  const done = (kind: 'bridge' | 'neighbour' | 'inside' | 'remote-entry') =>
    driftBy(kind, { host, spared: 9, sparedNetwork: 'steady', choice: 0 })
  return { ran, done }
}

it('says what was done, to others than the spared', async () => {
  const { ran, done } = drift({})
  expect(await done('bridge')).toBe('ip link del ovbr5')
  expect(ran).toEqual(['ip link del ovbr5'])
})

it('changes the sandbox at the other end', async () => {
  const { ran, done } = drift({
    stdout: '7: ove1@if2: <UP> mtu 1450\\    link/ether f2 link-netns ovl1-s-a\\    alias x',
  })
  expect(await done('inside')).toContain('ip -n ovl1-s-a -br link show type veth')
  expect(ran).toHaveLength(2)
})

it('says that there was nothing to do it to where none is listed', async () => {
  const { ran, done } = drift({})
  expect(await done('neighbour')).toBeUndefined()
  expect(ran).toEqual(['ip neigh show dev ovbr5 nud permanent'])
})

it.each([
  'Cannot find device "ovbr5"',
  'Device "ovbr5" does not exist.',
  'RTNETLINK answers: No such file or directory',
  'RTNETLINK answers: No such device',
])('says that there was nothing to do it to: %s', async (stderr) => {
  const { done } = drift({ exitCode: 1, stderr })
  expect(await done('bridge')).toBeUndefined()
  expect(await done('remote-entry')).toBeUndefined()
})

it('throws what a command says that fails', async () => {
  const { done } = drift({ exitCode: 2, stderr: 'RTNETLINK answers: Operation not permitted' })
  await expect(done('bridge')).rejects.toThrow('on h1: `ip link del ovbr5` ended with 2: RTNETLINK answers: Operation')
  await expect(done('remote-entry')).rejects.toThrow('bridge fdb show dev ovvx5')
})
