import { expect, it } from 'vitest'
import { encodeAttributes, text } from './attributes.ts'
import type { Message } from './netlink-message.ts'
import { commitsOf } from './nft-notifications.ts'

const [inet, ip, bridge] = [1, 2, 7]
const [newRule, newElement, newGeneration] = [6, 12, 15]

function message(what: number, family: number, attribute: number, value: string): Message {
  const payload = Buffer.concat([Buffer.from([family, 0, 0, 0]), encodeAttributes([text(attribute, value)])])
  return { type: (10 << 8) | what, flags: 0, sequence: 0, payload }
}

const rule = (family: number) => message(newRule, family, 1, 'filter')
const element = (table: string) => message(newElement, inet, 1, table)
const end = (program: string) => message(newGeneration, 0, 3, program)

it.each([
  ['a rule where forwarded frames pass', [rule(ip)], true],
  ['a rule elsewhere', [rule(bridge)], false],
  ['an element of somebody’s set', [element('filter')], false],
  ['an element of ours', [element('overlay')], true],
  ['something between', [rule(ip), element('filter')], true],
])('%s', (_, messages, isOfConcern) => {
  const commitOf = commitsOf('overlay')
  for (const one of messages) expect(commitOf(one)).toBeUndefined()
  expect(commitOf(end('iptables'))).toEqual({ program: 'iptables', isOfConcern })
  // The next transaction begins anew.
  expect(commitOf(end('nft'))).toEqual({ program: 'nft', isOfConcern: false })
})

it('what is no message of nftables is passed over', () => {
  const commitOf = commitsOf('overlay')
  expect(commitOf({ ...end('nft'), type: 3 })).toBeUndefined()
  expect(commitOf({ ...end('nft'), payload: Buffer.alloc(0) })).toBeUndefined()
})
