import { Client, credentials } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { range } from '../../store/etcd-api.ts'
import { between, createCuts } from './cuts.ts'
import { openDoors } from './door.ts'
import { createLab, type LabOptions } from './lab.ts'
import { ping } from './ping.ts'
import { until } from './until.ts'

async function lab(options: LabOptions) {
  const made = await createLab(options)
  onTestFinished(() => made.down())
  return made
}

test('three etcd members are one cluster, each in a namespace of its own, and go on when one is killed', async () => {
  const { etcdMembers, members } = await lab({ hosts: 1, controllers: 2, etcdMembers: 3, others: ['clients'] })
  expect([...members.keys()]).toEqual(['ctl', 'ctl2', 'etcd1', 'etcd2', 'etcd3', 'clients', 'h1'])
  await Promise.all(etcdMembers.map((each) => each.start()))
  const [one, other, third] = etcdMembers
  await one?.etcdctl('put', 'key', 'value')
  await one?.kill()
  // The others may have to elect a leader first.
  await until(() => other?.etcdctl('put', 'key', 'newer'), { what: 'a write without the first member' })
  expect(await third?.etcdctl('get', 'key', '--print-value-only')).toBe('newer')
  await one?.start()
  expect(await one?.etcdctl('get', 'key', '--print-value-only')).toBe('newer')
})

test('a door leads into a namespace for as long as somebody serves there', async () => {
  const { etcdMembers, directory, members } = await lab({ hosts: 1, etcdMembers: 2, others: ['clients'] })
  const clients = members.get('clients')?.netns
  if (!clients) throw new Error('there is no such namespace')
  const host = members.get('etcd1')?.address ?? ''
  const doors = await openDoors(clients, directory, [{ name: 'etcd1', host, port: 2379 }])
  const ask = () =>
    new Promise<boolean>((resolve) => {
      const client = new Client(doors.get('etcd1') ?? '', credentials.createInsecure())
      const deadline = Date.now() + 1_000
      const request = { key: Buffer.from('key') }
      client.makeUnaryRequest(range.path, range.encode, range.decode, request, { deadline }, (error) => {
        client.close()
        resolve(error === null)
      })
    })
  expect(await ask()).toBe(false)
  await Promise.all(etcdMembers.map((each) => each.start()))
  expect(await ask()).toBe(true)
  await Promise.all(etcdMembers.map((each) => each.kill()))
  expect(await ask()).toBe(false)
})

test('cuts end what goes between two members, one way or both, and no more', async () => {
  const made = await lab({ hosts: 3 })
  const cuts = createCuts(made)
  const [h1, h2, h3] = made.hosts
  if (!h1 || !h2 || !h3) throw new Error('there are three')
  const reaches = () => Promise.all([ping(h1, h2.address, 0.3), ping(h1, h3.address, 0.3), ping(h2, h3.address, 0.3)])
  const both = await cuts.cut(between([h1.address], [h2.address]))
  expect(await reaches()).toEqual([false, true, true])
  // The answers are lost.
  const oneWay = await cuts.cut([[h3.address, h1.address]])
  expect(await reaches()).toEqual([false, false, true])
  await both()
  expect(await reaches()).toEqual([true, false, true])
  await oneWay()
  expect(await reaches()).toEqual([true, true, true])
  await expect(cuts.cut([['no address', h1.address]])).rejects.toThrow('nft')
  // And what could not be cut does not spoil the others.
  await cuts.cut(between([h1.address, h2.address, h3.address], [h1.address, h2.address, h3.address]))
  expect(await reaches()).toEqual([false, false, false])
  await cuts.heal()
  expect(await reaches()).toEqual([true, true, true])
})
