import { expect, it } from 'vitest'
import { parseIp } from '../../lib/ip.ts'
import { parseMac } from '../../lib/mac.ts'
import { deleteDefaultRoute } from './default-routes.ts'
import { linkAttributes, linkHeader } from './links.ts'
import { deleteForwardingEntry, putPortEntry } from './neighbours.ts'
import { isOwn, ownWorkOf } from './own-work.ts'
import { RTM_DELNEIGH, RTM_NEWLINK, RTM_NEWNEIGH } from './rtnetlink.ts'

const mac = parseMac('02:00:00:00:00:01')
const put = putPortEntry(5, mac, 'ove1')
const remove = deleteForwardingEntry(5, mac, 'bridge', 'ove1')

it('an entry that we put is told as one that came, and one that we remove as both', () => {
  const putting = ownWorkOf([put], false)
  expect([RTM_NEWNEIGH, RTM_DELNEIGH, RTM_NEWLINK].map((type) => isOwn(putting, 5, type))).toEqual([true, false, false])
  expect(isOwn(putting, 6, RTM_NEWNEIGH)).toBe(false)
  const removing = ownWorkOf([remove], false)
  expect([RTM_NEWNEIGH, RTM_DELNEIGH, RTM_NEWLINK].map((type) => isOwn(removing, 5, type))).toEqual([true, true, false])
})

it('work on a link, or of several kinds, explains all that is told of it', () => {
  expect(isOwn(ownWorkOf([put, remove], false), 5, RTM_NEWLINK)).toBe(true)
  const change = { type: RTM_NEWLINK, flags: 0, header: linkHeader(7), attributes: [] }
  const route = deleteDefaultRoute(9, { gateway: parseIp('10.0.9.1'), metric: 5 })
  const work = ownWorkOf([change, route], true)
  expect([7, 9, 5].map((index) => isOwn(work, index, RTM_DELNEIGH))).toEqual([true, true, false])
  expect(work.inside).toBe(true)
})

it('a link that is made has no number yet, and is known by its name', () => {
  const make = { type: RTM_NEWLINK, flags: 0, header: linkHeader(0), attributes: linkAttributes({ name: 'ovbr7' }) }
  const { names, touched } = ownWorkOf([make], false)
  expect([...names]).toEqual(['ovbr7'])
  expect(touched.size).toBe(0)
})
