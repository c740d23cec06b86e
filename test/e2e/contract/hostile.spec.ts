/** L3: what must be refused or passed over, at random but the same each time. For more: npm run fuzz -- --requests N. */
import { expect, test } from 'vitest'
import { fuzz } from '../../fuzz/fuzz.ts'
import { phases } from '../../fuzz/phases.ts'

const requests = 15

test('L3: requests, bytes on sockets, records and questions at random: nothing ends, nothing changes, nothing floods the log', async () => {
  const lines: string[] = []
  const problems = await fuzz({ seed: 4_789, requests, phases, onSaid: ({ text }) => lines.push(text) })
  console.log(`L3, with ${requests} requests for each RPC:\n${lines.slice(-7).join('\n')}`)
  expect(problems).toEqual([])
}, 300_000)
