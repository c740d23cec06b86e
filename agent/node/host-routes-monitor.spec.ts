import { expect, it } from 'vitest'
import { isOfConcern } from './host-routes-monitor.ts'

it.each([
  ['10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1 '],
  ['Deleted 10.0.0.0/24 via 192.0.2.9 dev eth0 '],
  ['blackhole 10.1.0.0/16 '],
  ['fd01::/64 dev docker0 proto kernel metric 256 pref medium'],
  ['2: eth0    inet 10.0.0.1/24 scope global eth0\\       valid_lft forever preferred_lft forever'],
  ['Deleted 2: eth0    inet 10.0.0.1/24 scope global eth0\\       valid_lft forever preferred_lft forever'],
  ['3: ovirtmgmt    inet 10.0.0.1/24 scope global ovirtmgmt\\       valid_lft forever'],
  ['10.0.0.0/24 dev ovn0 proto kernel scope link src 10.0.0.1 '],
  ['10.0.0.0/24 via 192.0.2.9 dev eth0 table locals '],
])('%s: is of concern', (line) => {
  expect(isOfConcern(line)).toBe(true)
})

it.each([
  ['7: ovbr1048576    inet 10.0.9.1/24 scope global ovbr1048576\\       valid_lft forever preferred_lft forever'],
  ['Deleted 7: ovbr1048576    inet 10.0.9.1/24 scope global ovbr1048576\\       valid_lft forever'],
  ['10.0.9.0/24 dev ovbr1048576 proto kernel scope link src 10.0.9.1 '],
  ['Deleted fe80::/64 dev ove0123456789ab proto kernel metric 256 pref medium'],
  ['multicast ff00::/8 dev ovvx1048576 table local proto kernel metric 256 pref medium'],
  ['local 10.0.0.1 dev eth0 table local proto kernel scope host src 10.0.0.1 '],
  ['broadcast 10.0.0.255 dev eth0 table local proto kernel scope link src 10.0.0.1 '],
])('%s: is not', (line) => {
  expect(isOfConcern(line)).toBe(false)
})
